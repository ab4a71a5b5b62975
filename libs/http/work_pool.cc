#include "http/work_pool.h"

#include <utility>

#include "base/service.h"

namespace hnx::http {

WorkPool::WorkPool(std::string name, std::size_t threads_max, std::size_t queue_max)
    : name_(std::move(name)), threads_max_(threads_max), queue_max_(queue_max) {}

WorkPool::~WorkPool() {
  Stop();
}

bool WorkPool::Submit(Work work) {
  MutexLock lock(mutex_);
  const std::size_t free = threads_.size() - running_;
  const std::size_t takers = free + (threads_max_ - threads_.size());
  if (stopped_ || queue_.size() >= takers + queue_max_) {
    return false;
  }
  queue_.push_back(std::move(work));
  if (queue_.size() > free && threads_.size() < threads_max_) {
    threads_.emplace_back([this] { Run(); });
  }
  changed_.NotifyOne();
  return true;
}

void WorkPool::Run() {
  NameThisThread(name_);
  for (;;) {
    Work work;
    {
      MutexLock lock(mutex_);
      while (!stopped_ && queue_.empty()) {
        changed_.Wait(mutex_);
      }
      if (stopped_) {
        return;
      }
      work = std::move(queue_.front());
      queue_.pop_front();
      ++running_;
    }
    work();
    work = nullptr;  // what it holds goes before it counts as done
    MutexLock lock(mutex_);
    --running_;
  }
}

void WorkPool::Stop() {
  MutexLock joining(join_mutex_);
  std::vector<std::thread> threads;
  std::deque<Work> dropped;
  {
    MutexLock lock(mutex_);
    stopped_ = true;
    threads.swap(threads_);
    dropped.swap(queue_);
    changed_.NotifyAll();
  }
  dropped.clear();
  for (auto& thread : threads) {
    thread.join();
  }
}

std::size_t WorkPool::queued() const {
  MutexLock lock(mutex_);
  return queue_.size();
}

std::size_t WorkPool::running() const {
  MutexLock lock(mutex_);
  return running_;
}

}  // namespace hnx::http
