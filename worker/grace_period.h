// GracePeriod: the time within which a stopping worker has to be gone. When it is over, `on_over`
// is called once, from a thread of its own; a period that ends in time never calls it.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

#include "base/clock.h"
#include "base/mutex.h"

namespace hnx::worker {

inline constexpr std::chrono::milliseconds kGraceDefault{10'000};
inline constexpr std::chrono::milliseconds kGraceMin{1'000};

class GracePeriod {
 public:
  GracePeriod(std::chrono::milliseconds time, std::function<void()> on_over);
  ~GracePeriod();
  GracePeriod(const GracePeriod&) = delete;
  GracePeriod& operator=(const GracePeriod&) = delete;
  GracePeriod(GracePeriod&&) = delete;
  GracePeriod& operator=(GracePeriod&&) = delete;

 private:
  void Watch();

  const Clock::SteadyTime end_;
  const std::function<void()> on_over_;
  Mutex mutex_;
  CondVar changed_;
  bool kept_ HNX_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace hnx::worker
