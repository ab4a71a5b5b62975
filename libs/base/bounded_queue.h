// BoundedQueue: the back-pressure between two threads. Push blocks while the queue is full, Pop
// while it is empty; Close lets Pop drain what is left and then return nothing. Thread-safe.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "base/mutex.h"

namespace hnx {

template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t capacity) : capacity_(capacity) {}

  // False when the queue was closed; the item is then dropped.
  bool Push(T item) HNX_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    while (!closed_ && items_.size() >= capacity_) {
      not_full_.Wait(mutex_);
    }
    if (closed_) {
      return false;
    }
    items_.push_back(std::move(item));
    not_empty_.NotifyOne();
    return true;
  }

  // Nothing: closed and empty.
  std::optional<T> Pop() HNX_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    while (!closed_ && items_.empty()) {
      not_empty_.Wait(mutex_);
    }
    if (items_.empty()) {
      return std::nullopt;
    }
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    not_full_.NotifyOne();
    return item;
  }

  void Close() HNX_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    closed_ = true;
    not_full_.NotifyAll();
    not_empty_.NotifyAll();
  }

 private:
  const std::size_t capacity_;
  Mutex mutex_;
  CondVar not_full_;
  CondVar not_empty_;
  std::deque<T> items_ HNX_GUARDED_BY(mutex_);
  bool closed_ HNX_GUARDED_BY(mutex_) = false;
};

}  // namespace hnx
