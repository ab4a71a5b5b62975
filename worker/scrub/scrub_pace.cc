#include "worker/scrub/scrub_pace.h"

#include <utility>

namespace hnx::worker {

ScrubPace::ScrubPace(const Clock& clock, std::uint64_t bytes_per_second, Sleep sleep)
    : sleep_(std::move(sleep)), bucket_(clock, kScrubBurstBytes, bytes_per_second) {}

Result<void> ScrubPace::Spend(std::uint64_t bytes) {
  bucket_.Take(bytes);
  for (auto wait = bucket_.Wait(); wait.count() > 0; wait = bucket_.Wait()) {
    HNX_TRY(Pause(wait));
  }
  return cancelled() ? Result<void>(Error{ErrorCode::kCancelled, "the worker stops"})
                     : Result<void>();
}

Result<void> ScrubPace::Pause(std::chrono::milliseconds time) {
  bool go_on = true;
  if (sleep_) {
    go_on = sleep_(time);
  } else {
    MutexLock lock(mutex_);
    if (!cancelled_) {
      changed_.WaitFor(mutex_, time);
    }
    go_on = !cancelled_;
  }
  return go_on ? Result<void>() : Error{ErrorCode::kCancelled, "the worker stops"};
}

void ScrubPace::Cancel() {
  MutexLock lock(mutex_);
  cancelled_ = true;
  changed_.NotifyAll();
}

bool ScrubPace::cancelled() const {
  MutexLock lock(mutex_);
  return cancelled_;
}

}  // namespace hnx::worker
