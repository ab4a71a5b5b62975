// ScrubPace: how fast a scrub may read. Whoever read says how much and waits until that was
// allowed; a stop ends the wait.
//
// Threads: Spend and Pause from one, Cancel from any.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "hyper/wire/token_bucket.h"

namespace hnx::worker {

// Read at once, at most, before a wait.
inline constexpr std::uint64_t kScrubBurstBytes = std::uint64_t{1} << 20;

class ScrubPace {
 public:
  // Waits so long, at most; false: stop.
  using Sleep = std::function<bool(std::chrono::milliseconds)>;

  // `clock` must outlive it. `sleep`: of a test; without it the thread waits.
  ScrubPace(const Clock& clock, std::uint64_t bytes_per_second, Sleep sleep = {});

  // kCancelled: it is to end.
  Result<void> Spend(std::uint64_t bytes);
  Result<void> Pause(std::chrono::milliseconds time) HNX_EXCLUDES(mutex_);
  void Cancel() HNX_EXCLUDES(mutex_);
  bool cancelled() const HNX_EXCLUDES(mutex_);

 private:
  const Sleep sleep_;
  hyper::TokenBucket bucket_;
  mutable Mutex mutex_;
  CondVar changed_;
  bool cancelled_ HNX_GUARDED_BY(mutex_) = false;
};

}  // namespace hnx::worker
