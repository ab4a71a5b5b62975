// Metrics: what the worker counts. Thread-safe; cheap where it is counted.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/mutex.h"
#include "http/metrics.h"

namespace hnx::worker {

// Reason words come from our own tables; whatever an upstream does cannot make more series of them.
inline constexpr std::size_t kFailureReasonsMax = 100;
// Upstream hosts times codecs.
inline constexpr std::size_t kUpstreamSeriesMax = 100;

class Metrics {
 public:
  using Duration = std::chrono::steady_clock::duration;

  Metrics();

  void CountFetched(std::uint64_t file_bytes);
  void CountDecoded(std::uint64_t file_bytes, Duration busy);
  void CountStored(std::uint64_t file_bytes, std::uint64_t nar_bytes);
  // A transfer has ended, well or not: bytes that it brought.
  void CountTransfer(const std::string& host, std::string_view codec, std::uint64_t file_bytes,
                     Duration took);
  // All decoding of one NAR, and putting one that is whole into a shard's tail.
  void ObserveDecode(Duration busy) { decode_.Observe(InSeconds(busy)); }
  void ObserveAppend(Duration took) { append_.Observe(InSeconds(took)); }
  void ObserveCommit(Duration took) { commit_.Observe(InSeconds(took)); }
  void CountFailed(const std::string& reason) { failed_.Add({{"reason", reason}}); }
  // Bytes that were refused, also when they are fetched once more.
  void CountRefused(const std::string& reason) { refused_.Add({{"reason", reason}}); }
  void CountRefetch();
  void CountSynchronize(bool good) HNX_EXCLUDES(mutex_);
  // Since the coordinator last answered; nothing: it never did.
  std::optional<Duration> SinceAnswer() const HNX_EXCLUDES(mutex_);
  void CountPublishBatch();
  // Blocks and NARs read by the scrubber; `kind` and `source` are words of its own, few.
  void CountScrubbed(std::uint64_t blocks, std::uint64_t bytes);
  void CountScrubbedNar();
  void CountScrubDamage(const std::string& kind) { scrub_damage_.Add({{"kind", kind}}); }
  void CountScrubRepair(const std::string& source) { scrub_repairs_.Add({{"source", source}}); }
  void CountScrubGivenUp();
  // Asked for when the metrics are read; `read` must live as long as this.
  void ShowGauge(const std::string& name, const std::string& help, std::function<double()> read);
  // Of something that only grows.
  void ShowCounter(const std::string& name, const std::string& help, std::function<double()> read);

  double decode_seconds() const { return decode_seconds_.value(); }
  double nars_stored() const { return nars_stored_.value(); }
  double stored_bytes() const { return stored_bytes_.value(); }
  double stored_nar_bytes() const { return stored_nar_bytes_.value(); }
  const http::MetricsRegistry& registry() const { return registry_; }

 private:
  static double InSeconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
  }
  http::MetricHistogram Stage(const char* stage);

  http::MetricsRegistry registry_;
  http::MetricCounter fetched_bytes_;
  http::MetricCounter decoded_bytes_;
  http::MetricCounter decode_seconds_;
  http::MetricCounter nars_stored_;
  http::MetricCounter stored_bytes_;
  http::MetricCounter stored_nar_bytes_;
  http::MetricCounter refetches_;
  http::MetricHistogram fetch_;
  http::MetricHistogram decode_;
  http::MetricHistogram append_;
  http::MetricHistogram commit_;
  http::MetricCounter synchronized_;
  http::MetricCounter synchronize_errors_;
  http::MetricCounter publish_batches_;
  http::MetricCounter scrubbed_blocks_;
  http::MetricCounter scrubbed_bytes_;
  http::MetricCounter scrubbed_nars_;
  http::MetricCounter scrub_given_up_;
  http::MetricCounters upstream_bytes_;
  http::MetricCounters failed_;
  http::MetricCounters refused_;
  http::MetricCounters scrub_damage_;
  http::MetricCounters scrub_repairs_;
  mutable Mutex mutex_;
  std::optional<Clock::SteadyTime> answered_at_ HNX_GUARDED_BY(mutex_);
};

}  // namespace hnx::worker
