#include "rpc/thread_pool.h"

#include <utility>

#include "base/check.h"
#include "base/service.h"

namespace hnx::rpc {

ThreadPool::ThreadPool(const std::string& name, std::size_t threads, std::size_t queue_max)
    : queue_max_(queue_max) {
  HNX_CHECK(threads > 0 && queue_max > 0);
  threads_.reserve(threads);
  for (std::size_t i = 0; i < threads; ++i) {
    threads_.emplace_back(
        [this, thread_name = name + "-" + std::to_string(i)] { Run(thread_name); });
  }
}

ThreadPool::~ThreadPool() {
  {
    MutexLock lock(mutex_);
    ending_ = true;
    changed_.NotifyAll();
  }
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

bool ThreadPool::TrySubmit(std::function<void()> task) {
  MutexLock lock(mutex_);
  if (ending_ || tasks_.size() >= queue_max_) {
    return false;
  }
  tasks_.push_back(std::move(task));
  changed_.NotifyOne();
  return true;
}

void ThreadPool::Run(const std::string& name) {
  NameThisThread(name);
  while (true) {
    std::function<void()> task;
    {
      MutexLock lock(mutex_);
      while (tasks_.empty() && !ending_) {
        changed_.Wait(mutex_);
      }
      if (tasks_.empty()) {
        return;
      }
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

}  // namespace hnx::rpc
