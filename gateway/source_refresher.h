// SourceRefresher: follows the drives while workers write to them, and knows whether that works.
#pragma once

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/service.h"
#include "gateway/substituter/mirror_source.h"
#include "http/metrics.h"
#include "http/metrics_endpoint.h"

namespace hnx::gateway {

// Not ready when no refresh has worked for so long.
inline constexpr std::chrono::seconds kStaleAfter{60};

class SourceRefresher final : public LoopService {
 public:
  // References must outlive the refresher.
  SourceRefresher(MirrorSource& source, std::chrono::milliseconds interval,
                  http::MetricsRegistry& metrics, const Clock& clock = Clock::Real());
  ~SourceRefresher() override;
  SourceRefresher(const SourceRefresher&) = delete;
  SourceRefresher& operator=(const SourceRefresher&) = delete;
  SourceRefresher(SourceRefresher&&) = delete;
  SourceRefresher& operator=(SourceRefresher&&) = delete;

  std::chrono::milliseconds RunOnce() override;

  // An error says why not: no refresh has worked yet, or not for kStaleAfter.
  Result<void> Ready() const;
  // The same for /readyz.
  std::vector<http::ReadyItem> ReadyItems() const;

 private:
  double SecondsSinceRefresh() const;
  double SecondsSinceChange() const;

  MirrorSource& source_;
  const std::chrono::milliseconds interval_;
  const Clock& clock_;
  http::MetricCounter errors_;

  mutable Mutex mutex_;
  std::optional<Clock::SteadyTime> refreshed_at_ HNX_GUARDED_BY(mutex_);
  std::optional<Clock::SteadyTime> changed_at_ HNX_GUARDED_BY(mutex_);
  std::string trouble_ HNX_GUARDED_BY(mutex_) = "the drives have not been read yet";
};

}  // namespace hnx::gateway
