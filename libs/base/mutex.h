// Mutex with annotations that clang's -Wthread-safety checks; std::mutex carries none. No lock is
// held over I/O or a callback.
#pragma once

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define HNX_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define HNX_THREAD_ANNOTATION(x)
#endif

#define HNX_CAPABILITY(x) HNX_THREAD_ANNOTATION(capability(x))
#define HNX_SCOPED_CAPABILITY HNX_THREAD_ANNOTATION(scoped_lockable)
#define HNX_GUARDED_BY(x) HNX_THREAD_ANNOTATION(guarded_by(x))
#define HNX_REQUIRES(...) HNX_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define HNX_EXCLUDES(...) HNX_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define HNX_ACQUIRE(...) HNX_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define HNX_RELEASE(...) HNX_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define HNX_NO_THREAD_SAFETY_ANALYSIS HNX_THREAD_ANNOTATION(no_thread_safety_analysis)

namespace hnx {

class HNX_CAPABILITY("mutex") Mutex {
 public:
  void Lock() HNX_ACQUIRE() { mutex_.lock(); }
  void Unlock() HNX_RELEASE() { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class HNX_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) HNX_ACQUIRE(mutex) : mutex_(mutex) { mutex_.Lock(); }
  ~MutexLock() HNX_RELEASE() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  MutexLock(MutexLock&&) = delete;
  MutexLock& operator=(MutexLock&&) = delete;

 private:
  Mutex& mutex_;
};

// Waits with the Mutex held by the caller; every wait stands in a loop over its condition.
class CondVar {
 public:
  void Wait(Mutex& mutex) HNX_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  template <class Duration>
  void WaitFor(Mutex& mutex, Duration duration) HNX_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait_for(lock, duration);
    lock.release();
  }
  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace hnx
