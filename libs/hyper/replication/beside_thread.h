// BesideThread: a thread that works beside an event loop, one thing after the other: a RunBeside.
//
// Threads: made and destroyed anywhere; Run on the loop's.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "base/bounded_queue.h"
#include "hyper/transport/event_loop.h"

namespace hnx::hyper {

// With more waiting, Run waits too.
inline constexpr std::size_t kBesideTasksMax = 4096;

class BesideThread {
 public:
  // `loop` must outlive it. At most 15 characters of `name` are seen.
  BesideThread(EventLoop& loop, std::string name);
  // What was given to it has run.
  ~BesideThread();
  BesideThread(const BesideThread&) = delete;
  BesideThread& operator=(const BesideThread&) = delete;
  BesideThread(BesideThread&&) = delete;
  BesideThread& operator=(BesideThread&&) = delete;

  // `work` runs in its turn; then `done` on the loop, unless that has stopped.
  void Run(std::function<void()> work, std::function<void()> done);

 private:
  struct Task {
    std::function<void()> work;
    std::function<void()> done;
  };

  void Serve();

  EventLoop& loop_;
  const std::string name_;
  BoundedQueue<Task> tasks_{kBesideTasksMax};
  std::thread thread_;
};

}  // namespace hnx::hyper
