// ReadLimits: how long a read from afar may wait, and who may end it early. Reads block the
// caller's thread while peers are asked, never the event loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/mutex.h"

namespace hnx::hyper {

// Ends reads that wait: they return kCancelled. Shared by whoever cancels and whoever reads.
// Threads: any.
class Cancellation {
 public:
  Cancellation() = default;
  ~Cancellation() = default;
  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;
  Cancellation(Cancellation&&) = delete;
  Cancellation& operator=(Cancellation&&) = delete;

  // For good. Idempotent.
  void Cancel() HNX_EXCLUDES(mutex_);
  bool cancelled() const HNX_EXCLUDES(mutex_);

  // `wake` is called once, by Cancel (at once, when it was cancelled already), until Forget; Forget
  // does not wait for a call that is under way. It must not call back.
  std::uint64_t OnCancel(std::function<void()> wake) HNX_EXCLUDES(mutex_);
  void Forget(std::uint64_t id) HNX_EXCLUDES(mutex_);

 private:
  mutable Mutex mutex_;
  bool cancelled_ HNX_GUARDED_BY(mutex_) = false;
  std::uint64_t last_id_ HNX_GUARDED_BY(mutex_) = 0;
  std::map<std::uint64_t, std::function<void()>> wakes_ HNX_GUARDED_BY(mutex_);
};

// What is not set does not limit. A limit that was reached is kDeadlineExceeded.
struct ReadLimits {
  // For the whole of every read made with these limits.
  std::optional<Clock::SteadyTime> deadline;
  // Between two blocks of a stream, and before the first. It starts anew with each block, so a long
  // stream goes on as long as something comes.
  std::optional<std::chrono::milliseconds> stall_max = std::chrono::seconds(60);
  std::shared_ptr<Cancellation> cancellation;

  static ReadLimits Within(std::chrono::milliseconds time) {
    ReadLimits limits;
    limits.deadline = Clock::Real().Steady() + time;
    return limits;
  }
};

}  // namespace hnx::hyper
