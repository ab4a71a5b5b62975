// NarInfoSource: where narinfos come from: an HTTP cache, or a folder in the layout of one.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "http/http_client.h"

namespace hnx::coordinator {

// The body as it came, or why there is none. Folders speak in the same words as HTTP.
using NarInfoAnswer = http::HttpResult<std::string>;

class NarInfoSource {
 public:
  virtual ~NarInfoSource() = default;

  // Asks for <hash>.narinfo. `done` is called exactly once, on any thread, maybe before Read
  // returns; it must not block. Thread-safe.
  virtual void Read(const std::string& hash, std::function<void(NarInfoAnswer)> done) = 0;
  // Asks for nix-cache-info, which says whether the cache can be used at all. Blocks.
  virtual http::HttpResult<std::string> ReadCacheInfo() = 0;
};

// `client` must outlive the source and its reads. Answers over kUsualNarInfoBytesMax are asked for
// again, kLargeReadsMax at a time, so that hostile answers of the largest allowed size cannot fill
// the memory together.
inline constexpr std::size_t kUsualNarInfoBytesMax = std::size_t{512} << 10U;
inline constexpr int kLargeReadsMax = 4;
std::unique_ptr<NarInfoSource> MakeHttpNarInfoSource(http::HttpClient& client,
                                                     const std::string& upstream_url);

// Reads on the caller's thread. Links and other files that are no plain files are refused.
std::unique_ptr<NarInfoSource> MakeFolderNarInfoSource(const std::string& directory);

// By the upstream's address: file:///directory, else HTTP.
std::unique_ptr<NarInfoSource> MakeNarInfoSource(http::HttpClient& client,
                                                 const std::string& upstream_url);

}  // namespace hnx::coordinator
