#include "hyper/node/signal.h"

#include <algorithm>

namespace hnx::hyper {

std::uint64_t Signal::seen() const {
  const MutexLock lock(mutex_);
  return count_;
}

void Signal::Notify() {
  const MutexLock lock(mutex_);
  ++count_;
  changed_.NotifyAll();
}

Result<std::uint64_t> Signal::WaitChange(std::uint64_t seen, const ReadLimits& limits,
                                         std::optional<Clock::SteadyTime> until,
                                         const std::string& what) {
  const MutexLock lock(mutex_);
  for (;;) {
    if (limits.cancellation && limits.cancellation->cancelled()) {
      return Error{ErrorCode::kCancelled, what + ": given up by who asked"};
    }
    if (count_ != seen) {
      return count_;
    }
    const Clock::SteadyTime now = Clock::Real().Steady();
    if (limits.deadline && now >= *limits.deadline) {
      return Error{ErrorCode::kDeadlineExceeded, what + ": not in time"};
    }
    if (until && now >= *until) {
      return count_;
    }
    if (!limits.deadline && !until) {
      changed_.Wait(mutex_);
      continue;
    }
    const Clock::SteadyTime end = limits.deadline && until ? std::min(*limits.deadline, *until)
                                  : until                  ? *until
                                                           : *limits.deadline;
    changed_.WaitFor(mutex_, end - now);
  }
}

CancelHook::CancelHook(const ReadLimits& limits, std::shared_ptr<Signal> signal)
    : cancellation_(limits.cancellation) {
  if (cancellation_) {
    id_ = cancellation_->OnCancel([signal = std::move(signal)] { signal->Notify(); });
  }
}

CancelHook::~CancelHook() {
  if (cancellation_) {
    cancellation_->Forget(id_);
  }
}

}  // namespace hnx::hyper
