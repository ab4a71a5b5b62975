#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "base/file.h"
#include "coordinator/walk/narinfo_source.h"
#include "nix/cache_info.h"
#include "nix/nar_info.h"

namespace hnx::coordinator {
namespace {

http::HttpFailure Failure(ErrorCode code, http::HttpReason reason, std::string message) {
  http::HttpFailure failure;
  failure.code = code;
  failure.reason = reason;
  failure.message = std::move(message);
  return failure;
}

class FolderNarInfoSource final : public NarInfoSource {
 public:
  explicit FolderNarInfoSource(std::string directory) : directory_(std::move(directory)) {}

  void Read(const std::string& hash, std::function<void(NarInfoAnswer)> done) override {
    done(ReadPlainFile(hash + ".narinfo", nix::kNarInfoSizeMax));
  }
  http::HttpResult<std::string> ReadCacheInfo() override {
    return ReadPlainFile("nix-cache-info", nix::kCacheInfoSizeMax);
  }

 private:
  NarInfoAnswer ReadPlainFile(const std::string& name, std::size_t size_max) const {
    const std::string path = directory_ + "/" + name;
    const auto file = OpenFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!file) {
      const bool absent = file.error().code == ErrorCode::kNotFound;
      return tl::make_unexpected(
          Failure(absent ? ErrorCode::kNotFound : ErrorCode::kInvalidArgument,
                  absent ? http::HttpReason::kMissing : http::HttpReason::kForbidden,
                  file.error().message));
    }
    struct stat info {};
    if (::fstat(file->get(), &info) != 0 || !S_ISREG(info.st_mode)) {
      return tl::make_unexpected(Failure(ErrorCode::kInvalidArgument, http::HttpReason::kForbidden,
                                         fmt::format("read {}: not a plain file", path)));
    }
    const auto size = static_cast<std::uint64_t>(info.st_size);
    if (size > size_max) {
      return tl::make_unexpected(
          Failure(ErrorCode::kInvalidArgument, http::HttpReason::kBodyTooLarge,
                  fmt::format("read {}: {} bytes, at most {} are read", path, size, size_max)));
    }
    std::string content(size, '\0');
    const auto read = ReadAt(file->get(), 0, std::as_writable_bytes(std::span(content)));
    if (!read) {
      return tl::make_unexpected(Failure(ErrorCode::kUnavailable, http::HttpReason::kTruncated,
                                         read.error().Annotate("read " + path).message));
    }
    return content;
  }

  const std::string directory_;
};

}  // namespace

std::unique_ptr<NarInfoSource> MakeFolderNarInfoSource(const std::string& directory) {
  return std::make_unique<FolderNarInfoSource>(directory);
}

}  // namespace hnx::coordinator
