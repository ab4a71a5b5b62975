#include "hyp/stop_watch.h"

#include <stop_token>

#include "base/clock.h"
#include "base/service.h"

namespace hnx::hyp {

namespace {

// How soon the thread notices that it is not needed any more.
constexpr std::chrono::milliseconds kSignalInterval{50};

}  // namespace

StopWatch::StopWatch()
    : cancellation_(std::make_shared<hyper::Cancellation>()),
      thread_([this](const std::stop_token& stop) {
        NameThisThread("hyp-signals");
        while (!stop.stop_requested()) {
          if (signal_.WaitFor(kSignalInterval)) {
            cancellation_->Cancel();
            const MutexLock lock(mutex_);
            came_.NotifyAll();
            return;
          }
        }
      }) {}

StopWatch::~StopWatch() {
  thread_.request_stop();
  thread_.join();
}

bool StopWatch::WaitFor(std::chrono::milliseconds time) {
  const auto deadline = Clock::Real().Steady() + time;
  const MutexLock lock(mutex_);
  while (!cancellation_->cancelled()) {
    const auto left = deadline - Clock::Real().Steady();
    if (left <= left.zero()) {
      return false;
    }
    came_.WaitFor(mutex_, left);
  }
  return true;
}

}  // namespace hnx::hyp
