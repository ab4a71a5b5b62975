// SyntheticUpstream: a channel server and a binary cache with as many paths as one likes. What it
// answers is derived from (seed, number of the path) when it is asked for; it keeps nothing but the
// release pages.
//
//   /cache/nix-cache-info, /cache/<hash>.narinfo (signed), /cache/nar/<file>
//   /channels/scale-1 and scale-2: redirects to the releases, which have the usual files
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bench/scale/release_files.h"
#include "bench/walk/generated_cache.h"
#include "http/http_server.h"

namespace hnx::bench {

class SyntheticUpstream {
 public:
  // Lists of store paths are written to `folder`. `cache` must outlive this.
  static Result<SyntheticUpstream> Make(const GeneratedCache& cache,
                                        const std::filesystem::path& folder);

  // Thread-safe.
  http::ServerResponse Answer(const http::ServerRequest& request) const;

 private:
  SyntheticUpstream(const GeneratedCache& cache, std::vector<GeneratedRelease> releases);
  http::ServerResponse AnswerCache(std::string_view path) const;
  http::ServerResponse AnswerRelease(std::string_view path) const;

  const GeneratedCache* cache_;
  std::vector<GeneratedRelease> releases_;
};

}  // namespace hnx::bench
