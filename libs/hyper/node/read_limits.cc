#include "hyper/node/read_limits.h"

#include <utility>

namespace hnx::hyper {

void Cancellation::Cancel() {
  std::map<std::uint64_t, std::function<void()>> wakes;
  {
    const MutexLock lock(mutex_);
    cancelled_ = true;
    wakes = std::exchange(wakes_, {});
  }
  for (const auto& [id, wake] : wakes) {
    wake();
  }
}

bool Cancellation::cancelled() const {
  const MutexLock lock(mutex_);
  return cancelled_;
}

std::uint64_t Cancellation::OnCancel(std::function<void()> wake) {
  {
    const MutexLock lock(mutex_);
    if (!cancelled_) {
      wakes_.emplace(++last_id_, std::move(wake));
      return last_id_;
    }
  }
  wake();
  return 0;
}

void Cancellation::Forget(std::uint64_t id) {
  const MutexLock lock(mutex_);
  wakes_.erase(id);
}

}  // namespace hnx::hyper
