// ThreadPool: a fixed number of named threads and a bounded queue in front of them. What the
// callback API's reactions hand their work to. Thread-safe.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace hnx::rpc {

class ThreadPool {
 public:
  // At most `queue_max` tasks wait; TrySubmit refuses further ones.
  ThreadPool(const std::string& name, std::size_t threads, std::size_t queue_max);
  // Runs what was accepted to its end.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ThreadPool(ThreadPool&&) = delete;
  ThreadPool& operator=(ThreadPool&&) = delete;

  // False: the queue is full or the pool is ending; the task was not taken.
  bool TrySubmit(std::function<void()> task) HNX_EXCLUDES(mutex_);

 private:
  void Run(const std::string& name);

  const std::size_t queue_max_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<std::function<void()>> tasks_ HNX_GUARDED_BY(mutex_);
  bool ending_ HNX_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace hnx::rpc
