// WorkPool: threads for work that may wait, started when there is work and none is free. What
// cannot be taken is refused at once.
//
// Threads: any, but Stop and the destructor not from the pool's own.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace hnx::http {

class WorkPool {
 public:
  using Work = std::function<void()>;

  // At most 15 characters of `name` show in top and gdb.
  WorkPool(std::string name, std::size_t threads_max, std::size_t queue_max);
  // Stops.
  ~WorkPool();
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  // False: `queue_max` wait already, or it was stopped.
  bool Submit(Work work) HNX_EXCLUDES(mutex_);
  // Drops what waits and returns when what runs has ended. Idempotent.
  void Stop() HNX_EXCLUDES(mutex_, join_mutex_);

  std::size_t queued() const HNX_EXCLUDES(mutex_);
  std::size_t running() const HNX_EXCLUDES(mutex_);

 private:
  void Run() HNX_EXCLUDES(mutex_);

  const std::string name_;
  const std::size_t threads_max_;
  const std::size_t queue_max_;

  mutable Mutex mutex_;
  CondVar changed_;
  std::deque<Work> queue_ HNX_GUARDED_BY(mutex_);
  std::size_t running_ HNX_GUARDED_BY(mutex_) = 0;
  bool stopped_ HNX_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_ HNX_GUARDED_BY(mutex_);
  Mutex join_mutex_;
};

}  // namespace hnx::http
