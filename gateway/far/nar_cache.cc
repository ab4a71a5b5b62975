#include "gateway/far/nar_cache.h"

#include <utility>

#include "base/log.h"

namespace hnx::gateway {

NarCache::NarCache(FarMirror& mirror, std::unique_ptr<HeldBlobs> held, std::uint64_t bytes_max,
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

std::shared_ptr<const void> NarCache::Expect(const HeldBlob& blob) {
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
  for (const HeldBlob& blob : held_->Beyond(bytes_max_)) {
    any = Evict(blob) || any;
  }
  if (any && on_evicted_) {
    on_evicted_();
  }
}

bool NarCache::Evict(const HeldBlob& blob) {
  const auto drive = mirror_.Drive(blob.drive);
  const auto evicted = drive ? (*drive)->Evict(blob.blob) : Result<void>(drive.error());
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
