// CallOnLoop: runs something on an event loop and brings back what it returned. Internal to this
// folder. Not on the loop's thread.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/mutex.h"
#include "base/result.h"
#include "hyper/transport/event_loop.h"

namespace hnx::hyper {

template <class T>
class LoopReply {
 public:
  void Set(Result<T> value) HNX_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    if (!value_) {
      value_.emplace(std::move(value));
      set_.NotifyAll();
    }
  }
  Result<T> Wait() HNX_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    while (!value_) {
      set_.Wait(mutex_);
    }
    return *std::move(value_);
  }

 private:
  Mutex mutex_;
  CondVar set_;
  std::optional<Result<T>> value_ HNX_GUARDED_BY(mutex_);
};

// `function` returns Result<T>. kCancelled: the loop has stopped.
template <class Function>
auto CallOnLoop(EventLoop& loop, Function function) -> decltype(function()) {
  using Outcome = decltype(function());
  using T = typename Outcome::value_type;
  HNX_CHECK(!loop.OnLoopThread());
  // A task that is dropped with the loop answers too, by its end.
  struct Task {
    Task(std::shared_ptr<LoopReply<T>> reply_in, Function function_in)
        : reply(std::move(reply_in)), function(std::move(function_in)) {}
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;
    Task(Task&&) = delete;
    Task& operator=(Task&&) = delete;
    ~Task() { reply->Set(Error{ErrorCode::kCancelled, "the peer node has stopped"}); }
    std::shared_ptr<LoopReply<T>> reply;
    Function function;
  };
  const auto reply = std::make_shared<LoopReply<T>>();
  loop.Post([task = std::make_shared<Task>(reply, std::move(function))] {
    task->reply->Set(task->function());
  });
  return reply->Wait();
}

}  // namespace hnx::hyper
