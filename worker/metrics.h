// Metrics: what the worker counts. Thread-safe; cheap where it is counted.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "base/mutex.h"
#include "http/metrics.h"

namespace hnx::worker {

// Reason words come from our own tables; whatever an upstream does cannot make more series of them.
inline constexpr std::size_t kFailureReasonsMax = 100;

class Metrics {
 public:
  using Duration = std::chrono::steady_clock::duration;

  Metrics();

  void CountFetched(std::uint64_t file_bytes);
  void CountDecoded(std::uint64_t file_bytes, Duration busy);
  void CountStored(std::uint64_t file_bytes, std::uint64_t nar_bytes);
  void CountFailed(const std::string& reason) HNX_EXCLUDES(mutex_);
  void CountRefetch();
  void ObserveCommit(Duration took);
  void CountSynchronize(bool good);
  void CountPublishBatch();
  // Asked for when the metrics are read; `read` must live as long as this.
  void ShowGauge(const std::string& name, const std::string& help, std::function<double()> read);

  double decode_seconds() const { return decode_seconds_.value(); }
  double nars_stored() const { return nars_stored_.value(); }
  double stored_bytes() const { return stored_bytes_.value(); }
  double stored_nar_bytes() const { return stored_nar_bytes_.value(); }
  const http::MetricsRegistry& registry() const { return registry_; }

 private:
  http::MetricsRegistry registry_;
  http::MetricCounter fetched_bytes_;
  http::MetricCounter decoded_bytes_;
  http::MetricCounter decode_seconds_;
  http::MetricCounter nars_stored_;
  http::MetricCounter stored_bytes_;
  http::MetricCounter stored_nar_bytes_;
  http::MetricCounter refetches_;
  http::MetricHistogram commit_seconds_;
  http::MetricCounter synchronized_;
  http::MetricCounter synchronize_errors_;
  http::MetricCounter publish_batches_;
  Mutex mutex_;
  std::map<std::string, http::MetricCounter> failed_ HNX_GUARDED_BY(mutex_);
};

}  // namespace hnx::worker
