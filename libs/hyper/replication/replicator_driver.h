// ReplicatorDriver: gives a Replicator its time on an EventLoop.
//
// Threads: made, used and destroyed on the loop's thread (or when the loop does not run).
#pragma once

#include "hyper/replication/replicator.h"
#include "hyper/transport/event_loop.h"

namespace hnx::hyper {

class ReplicatorDriver {
 public:
  // Both must outlive it. Start comes when the loop runs.
  ReplicatorDriver(EventLoop& loop, Replicator& replicator);
  ~ReplicatorDriver();
  ReplicatorDriver(const ReplicatorDriver&) = delete;
  ReplicatorDriver& operator=(const ReplicatorDriver&) = delete;
  ReplicatorDriver(ReplicatorDriver&&) = delete;
  ReplicatorDriver& operator=(ReplicatorDriver&&) = delete;

  void Start() { Run(); }

 private:
  void Run();
  void RunAfter(std::chrono::milliseconds delay);

  EventLoop& loop_;
  Replicator& replicator_;
  EventLoop::TimerId timer_ = EventLoop::TimerId::kNone;
};

}  // namespace hnx::hyper
