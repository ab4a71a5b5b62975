// NarInfoHandler: /<hash>.narinfo, byte for byte as it was published, and only while its NAR can be
// served too: the link resolves, the shard is here, the bytes are there, or a connected peer has
// them. A client that was told of a path must be able to get it.
#pragma once

#include <optional>
#include <string_view>

#include "gateway/substituter/mirror_source.h"
#include "gateway/substituter/narinfo_cache.h"
#include "http/metrics.h"

namespace hnx::gateway {

class NarInfoHandler {
 public:
  // `source` must outlive the handler.
  NarInfoHandler(const MirrorSource& source, std::uint64_t cache_bytes_max, const Clock& clock,
                 http::MetricsRegistry& metrics);

  http::ServerResponse Answer(std::string_view hash);
  // Without asking the source; nullopt: that has to be done.
  std::optional<http::ServerResponse> AnswerFromMemory(std::string_view hash);
  // A NAR turned out to be gone: nothing resolved so far can be relied on.
  void DistrustCache() { cache_.Clear(); }

 private:
  // nullptr: has to be resolved.
  NarInfoCache::Answer FromCache(std::string_view hash, std::uint64_t version);
  http::ServerResponse Resolve(std::string_view hash, std::uint64_t version);

  const MirrorSource& source_;
  NarInfoCache cache_;
  http::MetricCounter hits_;
  http::MetricCounter misses_;
  http::MetricCounter from_cache_;
};

}  // namespace hnx::gateway
