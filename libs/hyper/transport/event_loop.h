// EventLoop: one named thread on which many connections are served. What belongs to connections
// (streams, listeners, connectors, timers) lives on that thread and needs no locks.
//
//   EventLoop loop("hnx-peers", Clock::Real());
//   loop.Start();
//   loop.Post([&] { ... });       // from any thread
//   loop.Stop();                  // closes every connection, then returns
//
// Post and RunAndWait may be called from any thread, After and Cancel from the loop's. Callbacks
// must not block: others' connections wait meanwhile.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/service.h"

namespace hnx::hyper {

class EventLoop final : public Service {
 public:
  using Task = std::function<void()>;
  enum class TimerId : std::uint64_t { kNone = 0 };

  // `clock` decides when timers are due and must outlive the loop. With a clock that is turned by
  // hand, post something after turning it.
  EventLoop(std::string name, const Clock& clock);
  ~EventLoop() override;
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;
  EventLoop(EventLoop&&) = delete;
  EventLoop& operator=(EventLoop&&) = delete;

  // Once.
  void Start() override;
  // Idempotent, from any thread but the loop's. Connections end with kCancelled, their owners are
  // told by OnClosed on the loop's thread; tasks that were posted and not run are destroyed.
  void Stop() override;

  // Tasks run in the order in which they were posted. False when the loop has stopped: the task is
  // dropped. The caller bounds how many tasks it has under way.
  bool Post(Task task);
  // Returns when the task has run. Between Start and Stop only, not on the loop's thread.
  void RunAndWait(const Task& task);

  // Once, after at least `delay`; never from within the call.
  TimerId After(std::chrono::milliseconds delay, Task task);
  // Of a timer that has run already, or of kNone: nothing.
  void Cancel(TimerId timer);

  bool OnLoopThread() const;
  const Clock& clock() const;

  // For this folder.
  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  void Run();

  const std::string name_;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace hnx::hyper
