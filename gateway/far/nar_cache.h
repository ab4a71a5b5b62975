// NarCache: the NARs on this machine's disk, those of shards and those that came from fallbacks,
// within a bound: what was not used for longest goes when something new comes.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "gateway/far/far_mirror.h"
#include "gateway/far/held_nars.h"
#include "http/metrics.h"

namespace hnx::gateway {

class NarCache {
 public:
  // References must outlive the cache. `on_evicted` is called after NARs went.
  NarCache(FarMirror& mirror, std::unique_ptr<HeldNars> held, std::uint64_t bytes_max,
           http::MetricsRegistry& metrics);

  void OnEvicted(std::function<void()> on_evicted) HNX_EXCLUDES(evict_mutex_);
  // Removes a file by its name. Without it files stay.
  using EvictFile = std::function<Result<void>(const std::string& name)>;
  void OnEvictFile(EvictFile evict_file) HNX_EXCLUDES(evict_mutex_);
  // It is all there, and was asked for.
  void Used(const HeldNar& blob) { held_->Use(blob); }
  // It is about to come, whole or in part: takes its place, and others lose theirs. It stays as
  // long as what is returned lives.
  std::shared_ptr<const void> Expect(const HeldNar& blob) HNX_EXCLUDES(evict_mutex_);
  // It is not there after all.
  void Forget(const HeldNar& blob) { held_->Forget(blob); }
  // Those that are files.
  std::vector<HeldNar> Files() const { return held_->Files(); }
  // Evicts the NARs of shards that the mirror does not list any more. True: none is left.
  bool EvictUnlisted(const mirror::MirrorView& mirror) HNX_EXCLUDES(evict_mutex_);
  // Evicts what is beyond the bound.
  void Trim() HNX_EXCLUDES(evict_mutex_);

  std::uint64_t bytes() const { return held_->bytes(); }

 private:
  // False: it has to stay for now.
  bool Evict(const HeldNar& blob) HNX_REQUIRES(evict_mutex_);
  Result<void> Remove(const HeldNar& blob) HNX_REQUIRES(evict_mutex_);

  FarMirror& mirror_;
  const std::shared_ptr<HeldNars> held_;  // shared with what Expect returned
  const std::uint64_t bytes_max_;
  http::MetricCounter evictions_;
  http::MetricCounter evicted_bytes_;
  Mutex evict_mutex_;  // one evicts at a time
  std::function<void()> on_evicted_ HNX_GUARDED_BY(evict_mutex_);
  EvictFile evict_file_ HNX_GUARDED_BY(evict_mutex_);
};

}  // namespace hnx::gateway
