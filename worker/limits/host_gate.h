// HostGate: whether a request may go out to one upstream host now, and whether bytes may come in.
// Pure but for the clock; its owner locks.
//
// Three things hold a request back: the share of the cluster's limits that the coordinator gave
// (nothing is allowed when it ended without being given anew), a pause that the upstream asked for,
// and the window: how many transfers at once go well. It grows by one with each full window of
// successes and halves when the upstream throttles or falls silent.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "http/http_error.h"
#include "http/rate_limiter.h"
#include "worker/limits/host_limit.h"

namespace hnx::worker {

class HostGate {
 public:
  // `clock` must outlive this.
  HostGate(const Clock& clock, std::size_t window_max);

  // From an answer to a request sent at `sent`.
  void Apply(const HostLimit& limit, Clock::SteadyTime sent);
  // The coordinator names no limit.
  void Unlimit();

  // A request may go out.
  bool MayStart();
  // Bytes may be read.
  bool MayRead();
  // Until it makes sense to ask again; nothing: not before Apply or OnEnded.
  std::optional<std::chrono::milliseconds> Wait();

  void OnStarted();
  void OnBytes(std::uint64_t bytes) { (void)bytes_.Take(bytes); }
  // A transfer ended: `requests` that it sent beyond its first, and its failure, if any.
  void OnEnded(int further_requests, const http::HttpFailure* failure);

  bool limited() const { return limit_.has_value(); }
  std::size_t running() const { return running_; }
  std::size_t window() const { return static_cast<std::size_t>(window_); }
  HostUse Use() const;

 private:
  // Rates in thousandths of a request: RateLimiter counts whole numbers.
  static constexpr double kMilli = 1000;

  bool Expired();
  void Shrink();

  const Clock& clock_;
  const double window_max_;
  double window_;
  std::size_t running_ = 0;
  // Transfers that began before the last shrinking say nothing new by failing too.
  std::size_t running_at_shrink_ = 0;
  std::optional<HostLimit> limit_;
  Clock::SteadyTime valid_until_{};
  Clock::SteadyTime paused_until_{};
  http::RateLimiter bytes_;
  http::RateLimiter requests_;
};

}  // namespace hnx::worker
