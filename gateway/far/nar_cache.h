// NarCache: the NARs of shards on this machine's disk, within a bound: what was not used for
// longest goes when something new comes.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/mutex.h"
#include "gateway/far/far_mirror.h"
#include "gateway/far/held_blobs.h"
#include "http/metrics.h"

namespace hnx::gateway {

class NarCache {
 public:
  // References must outlive the cache. `on_evicted` is called after NARs went.
  NarCache(FarMirror& mirror, std::unique_ptr<HeldBlobs> held, std::uint64_t bytes_max,
           http::MetricsRegistry& metrics);

  void OnEvicted(std::function<void()> on_evicted) HNX_EXCLUDES(evict_mutex_);
  // It is all there, and was asked for.
  void Used(const HeldBlob& blob) { held_->Use(blob); }
  // It is about to come, whole or in part: takes its place, and others lose theirs. It stays as
  // long as what is returned lives.
  std::shared_ptr<const void> Expect(const HeldBlob& blob) HNX_EXCLUDES(evict_mutex_);
  // Evicts what is beyond the bound.
  void Trim() HNX_EXCLUDES(evict_mutex_);

  std::uint64_t bytes() const { return held_->bytes(); }

 private:
  // False: it has to stay for now.
  bool Evict(const HeldBlob& blob);

  FarMirror& mirror_;
  const std::shared_ptr<HeldBlobs> held_;  // shared with what Expect returned
  const std::uint64_t bytes_max_;
  http::MetricCounter evictions_;
  http::MetricCounter evicted_bytes_;
  Mutex evict_mutex_;  // one evicts at a time
  std::function<void()> on_evicted_ HNX_GUARDED_BY(evict_mutex_);
};

}  // namespace hnx::gateway
