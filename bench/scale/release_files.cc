#include "bench/scale/release_files.h"

#include <array>
#include <fstream>
#include <utility>

#include <fmt/format.h>
#include <lzma.h>

#include "base/check.h"
#include "base/hex.h"

namespace hnx::bench {
namespace {

// Writes what it is fed, compressed, and hashes that.
class XzFile {
 public:
  explicit XzFile(const std::filesystem::path& path)
      : path_(path), file_(path, std::ios::binary | std::ios::trunc) {
    constexpr std::uint32_t kFastest = 0;
    HNX_CHECK(::lzma_easy_encoder(&encoder_, kFastest, LZMA_CHECK_CRC64) == LZMA_OK);
  }
  ~XzFile() { ::lzma_end(&encoder_); }
  XzFile(const XzFile&) = delete;
  XzFile& operator=(const XzFile&) = delete;

  void Feed(const std::string& text) { Code(text, LZMA_RUN); }

  Result<ReleaseFile> Finish() {
    Code({}, LZMA_FINISH);
    file_.close();
    if (file_.fail()) {
      return Unavailable("write " + path_.string());
    }
    return ReleaseFile{
        .content = {}, .path = path_, .size_bytes = size_bytes_, .sha256 = hash_.Finish()};
  }

 private:
  void Code(const std::string& text, lzma_action action) {
    encoder_.next_in = reinterpret_cast<const std::uint8_t*>(text.data());
    encoder_.avail_in = text.size();
    lzma_ret done = LZMA_OK;
    do {
      encoder_.next_out = buffer_.data();
      encoder_.avail_out = buffer_.size();
      done = ::lzma_code(&encoder_, action);
      HNX_CHECK(done == LZMA_OK || done == LZMA_STREAM_END);
      const std::size_t made = buffer_.size() - encoder_.avail_out;
      file_.write(reinterpret_cast<const char*>(buffer_.data()),
                  static_cast<std::streamsize>(made));
      hash_.Update(ByteView(reinterpret_cast<const std::byte*>(buffer_.data()), made));
      size_bytes_ += made;
    } while (encoder_.avail_in > 0 || (action == LZMA_FINISH && done != LZMA_STREAM_END));
  }

  const std::filesystem::path path_;
  std::ofstream file_;
  lzma_stream encoder_ = LZMA_STREAM_INIT;
  std::array<std::uint8_t, 64 * 1024> buffer_{};
  nix::Sha256 hash_;
  std::uint64_t size_bytes_ = 0;
};

ReleaseFile SmallFile(std::string content) {
  const auto sha256 = nix::Sha256::Of(AsBytes(content));
  const std::uint64_t size_bytes = content.size();
  return {.content = std::move(content), .path = {}, .size_bytes = size_bytes, .sha256 = sha256};
}

std::string Page(const GeneratedRelease& release) {
  std::string page = fmt::format(
      "<!DOCTYPE html>\n<html><head><title>{0}</title></head><body><h1>{0}</h1>\n"
      "<table><thead><tr><th>File name</th><th>Size</th><th>SHA-256 hash</th></tr></thead>\n",
      release.name);
  for (const auto& [name, file] : release.files) {
    page += fmt::format(
        "<tr><td><a href='{0}'>{0}</a></td><td align='right'>{1}</td><td>{2}</td></tr>\n", name,
        file.size_bytes, EncodeHex(file.sha256));
  }
  return page + "</table></body></html>\n";
}

}  // namespace

Result<GeneratedRelease> MakeRelease(int number, std::uint64_t paths,
                                     const std::function<std::string(std::uint64_t)>& store_path,
                                     const std::filesystem::path& folder) {
  constexpr std::uint64_t kPathsAtOnce = 1'000;
  GeneratedRelease release{
      .name = fmt::format("scale-26.11pre{}.{:012x}", number, number), .files = {}, .page = {}};
  XzFile list(folder / (release.name + ".store-paths.xz"));
  std::string text;
  for (std::uint64_t i = 0; i < paths; ++i) {
    text += store_path(i) + "\n";
    if (i % kPathsAtOnce == kPathsAtOnce - 1) {
      list.Feed(text);
      text.clear();
    }
  }
  list.Feed(text);
  HNX_ASSIGN_OR_RETURN(release.files["store-paths.xz"], list.Finish());
  release.files["git-revision"] = SmallFile(fmt::format("{:040x}", number));
  release.files["nixexprs.tar.xz"] = SmallFile(fmt::format("expressions of {}\n", release.name));
  release.page = Page(release);
  return release;
}

}  // namespace hnx::bench
