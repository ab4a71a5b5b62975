// Signal: threads wait for something that others change, within limits. Internal to this folder.
//
//   for (auto seen = signal->seen();; HNX_ASSIGN...(seen, signal->WaitChange(seen, limits, stall)))
//     if (condition()) ...
//
// Threads: any.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "hyper/node/read_limits.h"

namespace hnx::hyper {

class Signal {
 public:
  // To be taken before the condition is looked at.
  std::uint64_t seen() const HNX_EXCLUDES(mutex_);
  void Notify() HNX_EXCLUDES(mutex_);

  // Returns seen() when it differs from `seen`. kCancelled, kDeadlineExceeded: `what` was waited
  // for. `until`: a further limit, after which it returns without an error.
  Result<std::uint64_t> WaitChange(std::uint64_t seen, const ReadLimits& limits,
                                   std::optional<Clock::SteadyTime> until, const std::string& what)
      HNX_EXCLUDES(mutex_);

 private:
  mutable Mutex mutex_;
  CondVar changed_;
  std::uint64_t count_ HNX_GUARDED_BY(mutex_) = 0;
};

// While it lives, a cancellation notifies the signal.
class CancelHook {
 public:
  CancelHook(const ReadLimits& limits, std::shared_ptr<Signal> signal);
  ~CancelHook();
  CancelHook(const CancelHook&) = delete;
  CancelHook& operator=(const CancelHook&) = delete;
  CancelHook(CancelHook&&) = delete;
  CancelHook& operator=(CancelHook&&) = delete;

 private:
  const std::shared_ptr<Cancellation> cancellation_;
  std::uint64_t id_ = 0;
};

}  // namespace hnx::hyper
