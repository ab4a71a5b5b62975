#include "worker/grace_period.h"

#include <utility>

#include "base/service.h"

namespace hnx::worker {

using std::chrono::milliseconds;

GracePeriod::GracePeriod(milliseconds time, std::function<void()> on_over)
    : end_(Clock::Real().Steady() + time), on_over_(std::move(on_over)) {
  thread_ = std::thread([this] { Watch(); });
}

GracePeriod::~GracePeriod() {
  {
    MutexLock lock(mutex_);
    kept_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

void GracePeriod::Watch() {
  NameThisThread("hnx-grace");
  {
    MutexLock lock(mutex_);
    while (!kept_) {
      const auto left = std::chrono::ceil<milliseconds>(end_ - Clock::Real().Steady());
      if (left <= milliseconds(0)) {
        break;
      }
      changed_.WaitFor(mutex_, left);
    }
    if (kept_) {
      return;
    }
  }
  on_over_();
}

}  // namespace hnx::worker
