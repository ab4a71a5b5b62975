// A mirror in memory, for the handlers' tests. Files that are broken or whose bytes are gone can be
// had.
#pragma once

#include <map>
#include <set>
#include <string>

#include <sys/mman.h>

#include "base/file.h"
#include "gateway/substituter/mirror_source.h"

namespace hnx::gateway {

// A path, and the file of its NAR.
inline const std::string kHash = "0123456789abcdfghijklmnpqrsvwxyz";
inline const std::string kNarFile = "1094wph9z4nwlgvsd53abfz8i117ykiv5dwnq9nnhz846s7xqd7d.nar.xz";

class FakeMirror final : public MirrorSource {
 public:
  std::map<std::string, std::string> files;  // by path, "/nar/..." included
  std::set<std::string> gone;                // named, but their bytes are not there
  bool broken = false;                       // every read fails
  std::uint64_t version_now = 1;
  mutable int reads = 0;
  int refreshes = 0;

  std::uint64_t version() const override { return version_now; }

  Result<std::optional<std::string>> ReadFile(std::string_view path,
                                              std::uint64_t /*size_max*/) const override {
    ++reads;
    if (broken) {
      return DataLoss("tree node does not verify");
    }
    const auto found = files.find(std::string(path));
    return found == files.end() ? std::nullopt : std::optional(found->second);
  }

  Result<std::optional<SourceFile>> File(std::string_view path) const override {
    ++reads;
    if (broken) {
      return DataLoss("tree node does not verify");
    }
    const auto found = files.find(std::string(path));
    if (found == files.end()) {
      return std::optional<SourceFile>();
    }
    SourceFile file;
    file.size_bytes = found->second.size();
    file.etag = "\"" + std::to_string(std::hash<std::string>{}(found->second)) + "\"";
    const bool is_gone = gone.contains(found->first);
    file.open = [is_gone, text = found->second]() -> Result<http::FileRegion> {
      if (is_gone) {
        return NotFound("blocks were cleared");
      }
      UniqueFd fd(::memfd_create("fake", MFD_CLOEXEC));
      HNX_TRY(WriteAt(fd.get(), 0, AsBytes(text)));
      return http::FileRegion{std::move(fd), 0, text.size()};
    };
    return std::optional<SourceFile>(std::move(file));
  }

  Result<std::optional<SourceFile>> Nar(std::string_view file) const override {
    return File("/nar/" + std::string(file));
  }

  Result<std::vector<SourceListing>> List(std::string_view folder,
                                          std::size_t count_max) const override {
    std::vector<SourceListing> listing;
    const std::string prefix = std::string(folder) + "/";
    for (const auto& [path, text] : files) {
      if (path.substr(0, prefix.size()) == prefix && listing.size() < count_max) {
        listing.push_back({path, text.size()});
      }
    }
    return listing;
  }

  Result<bool> Refresh() override {
    ++refreshes;
    if (broken) {
      return DataLoss("tree node does not verify");
    }
    return true;
  }
};

class FakeRequest final : public http::ServerRequest {
 public:
  explicit FakeRequest(std::string path, std::map<std::string, std::string> headers = {},
                       http::HttpMethod method = http::HttpMethod::kGet)
      : path_(std::move(path)), headers_(std::move(headers)), method_(method) {}

  http::HttpMethod method() const override { return method_; }
  std::string_view path() const override { return path_; }
  std::optional<std::string_view> Header(const char* name) const override {
    const auto found = headers_.find(name);
    return found == headers_.end() ? std::nullopt : std::optional<std::string_view>(found->second);
  }

 private:
  const std::string path_;
  const std::map<std::string, std::string> headers_;
  const http::HttpMethod method_;
};

}  // namespace hnx::gateway
