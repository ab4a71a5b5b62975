#include "gateway/far/nar_cache.h"

#include <utility>

#include "base/log.h"

namespace hnx::gateway {

NarCache::NarCache(FarMirror& mirror, std::unique_ptr<HeldNars> held, std::uint64_t bytes_max,
                   http::MetricsRegistry& metrics)
    : mirror_(mirror),
      held_(std::move(held)),
      bytes_max_(bytes_max),
      evictions_(metrics.Counter("hnx_gateway_evictions_total",
                                 "NARs that went from the cache to make room")),
      evicted_bytes_(metrics.Counter("hnx_gateway_evicted_bytes_total", "Bytes of these")) {
  metrics.GaugeFunction("hnx_gateway_cache_bytes",
                        "Bytes of the NARs that the cache holds or is fetching",
                        [held = held_] { return static_cast<double>(held->bytes()); });
  metrics.GaugeFunction("hnx_gateway_cache_nars", "NARs that the cache holds or is fetching",
                        [held = held_] { return static_cast<double>(held->count()); });
  metrics.Gauge("hnx_gateway_cache_bytes_max", "The cache's bound")
      .Set(static_cast<double>(bytes_max));
}

void NarCache::OnEvicted(std::function<void()> on_evicted) {
  MutexLock lock(evict_mutex_);
  on_evicted_ = std::move(on_evicted);
}

void NarCache::OnEvictFile(EvictFile evict_file) {
  MutexLock lock(evict_mutex_);
  evict_file_ = std::move(evict_file);
}

std::shared_ptr<const void> NarCache::Expect(const HeldNar& blob) {
  held_->Pin(blob);
  std::shared_ptr<const void> pin(
      held_.get(), [held = held_, blob](const void* /*held*/) { held->Unpin(blob); });
  held_->Use(blob);
  Trim();
  return pin;
}

void NarCache::Trim() {
  MutexLock lock(evict_mutex_);
  bool any = false;
  for (const HeldNar& blob : held_->Beyond(bytes_max_)) {
    any = Evict(blob) || any;
  }
  if (any && on_evicted_) {
    on_evicted_();
  }
}

bool NarCache::EvictUnlisted(const mirror::MirrorView& mirror) {
  MutexLock lock(evict_mutex_);
  bool all = true;
  bool any = false;
  for (const hyper::DriveKey& drive : held_->Drives()) {
    if (mirror.IsListed(drive)) {
      continue;
    }
    if (const auto removed = mirror_.RemoveUnlisted(drive); !removed) {
      Log("gateway")->debug("{}", removed.error().ToString());
      all = false;
      continue;
    }
    held_->ForgetDrive(drive);
    Log("gateway")->info("shard {} left the mirror: what was held of it is removed", drive.id());
    any = true;
  }
  if (any && on_evicted_) {
    on_evicted_();
  }
  return all;
}

Result<void> NarCache::Remove(const HeldNar& blob) {
  if (!blob.file.empty()) {
    return evict_file_ ? evict_file_(blob.file) : Result<void>(Unavailable("the store is closed"));
  }
  HNX_ASSIGN_OR_RETURN(const auto drive, mirror_.Drive(blob.drive));
  return drive->Evict(blob.blob);
}

bool NarCache::Evict(const HeldNar& blob) {
  const auto evicted = Remove(blob);
  if (!evicted) {
    // Being sent, or its shard is not known (yet): another time.
    Log("gateway")->debug("a NAR stays in the cache: {}", evicted.error().ToString());
    return false;
  }
  held_->Forget(blob);
  evictions_.Add();
  evicted_bytes_.Add(static_cast<double>(blob.blob.byte_length));
  return true;
}

}  // namespace hnx::gateway
