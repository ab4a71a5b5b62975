#include "bench/scale/synthetic_upstream.h"

#include <string>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>

namespace hnx::bench {
namespace {

constexpr std::string_view kCache = "/cache/";
constexpr std::string_view kChannel = "/channels/scale-";
constexpr std::string_view kReleases = "/releases/";
constexpr std::string_view kNarInfo = ".narinfo";
constexpr std::string_view kNar = "nar/";

http::ServerResponse NotHere() {
  return http::TextResponse(404, "404\n");
}

http::ServerResponse Content(const char* type, std::string body) {
  http::ServerResponse response;
  response.headers.push_back({"Content-Type", type});
  response.body = std::move(body);
  return response;
}

http::ServerResponse AnswerFile(const ReleaseFile& file) {
  if (file.path.empty()) {
    return Content("application/octet-stream", file.content);
  }
  http::ServerResponse response;
  response.file = http::FileRegion{.fd = UniqueFd(::open(file.path.c_str(), O_RDONLY | O_CLOEXEC)),
                                   .offset = 0,
                                   .length = file.size_bytes};
  return response.file->fd.valid() ? std::move(response) : NotHere();
}

}  // namespace

SyntheticUpstream::SyntheticUpstream(const GeneratedCache& cache,
                                     std::vector<GeneratedRelease> releases)
    : cache_(&cache), releases_(std::move(releases)) {}

Result<SyntheticUpstream> SyntheticUpstream::Make(const GeneratedCache& cache,
                                                  const std::filesystem::path& folder) {
  std::vector<GeneratedRelease> releases;
  const auto add = [&](auto number_of) -> Result<void> {
    const auto store_path = [&](std::uint64_t at) { return cache.Path(number_of(at)).ToString(); };
    HNX_ASSIGN_OR_RETURN(
        GeneratedRelease release,
        MakeRelease(static_cast<int>(releases.size()) + 1, cache.size(), store_path, folder));
    releases.push_back(std::move(release));
    return {};
  };
  HNX_TRY(add([](std::uint64_t at) { return at; }));
  HNX_TRY(add([&](std::uint64_t at) { return cache.InSecondRelease(at); }));
  return SyntheticUpstream(cache, std::move(releases));
}

http::ServerResponse SyntheticUpstream::Answer(const http::ServerRequest& request) const {
  std::string_view path = request.path();
  if (path.starts_with(kCache)) {
    return AnswerCache(path.substr(kCache.size()));
  }
  if (path.starts_with(kReleases)) {
    return AnswerRelease(path.substr(kReleases.size()));
  }
  if (path.starts_with(kChannel)) {
    path.remove_prefix(kChannel.size());
    for (std::size_t i = 0; i < releases_.size(); ++i) {
      if (path == std::to_string(i + 1)) {
        http::ServerResponse response;
        response.status = 302;
        response.headers.push_back({"Location", std::string(kReleases) + releases_[i].name});
        return response;
      }
    }
  }
  return NotHere();
}

http::ServerResponse SyntheticUpstream::AnswerCache(std::string_view path) const {
  if (path == "nix-cache-info") {
    return Content("text/x-nix-cache-info",
                   "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n");
  }
  if (path.ends_with(kNarInfo)) {
    path.remove_suffix(kNarInfo.size());
    const auto index = cache_->FindPath(path);
    return index ? Content("text/x-nix-narinfo", cache_->NarInfo(*index)) : NotHere();
  }
  if (path.starts_with(kNar)) {
    const auto index = cache_->FindNar(path.substr(kNar.size()));
    return index ? Content("application/x-nix-nar", cache_->Nar(*index)) : NotHere();
  }
  return NotHere();
}

http::ServerResponse SyntheticUpstream::AnswerRelease(std::string_view path) const {
  for (const GeneratedRelease& release : releases_) {
    if (path == release.name) {
      return Content("text/html", release.page);
    }
    if (path.starts_with(release.name + "/")) {
      const auto file = release.files.find(std::string(path.substr(release.name.size() + 1)));
      return file == release.files.end() ? NotHere() : AnswerFile(file->second);
    }
  }
  return NotHere();
}

}  // namespace hnx::bench
