#include "hyper/replication/replicator_driver.h"

namespace hnx::hyper {

ReplicatorDriver::ReplicatorDriver(EventLoop& loop, Replicator& replicator)
    : loop_(loop), replicator_(replicator) {
  replicator_.SetWake([this] { RunAfter(std::chrono::milliseconds(0)); });
}

ReplicatorDriver::~ReplicatorDriver() {
  replicator_.SetWake({});
  loop_.Cancel(timer_);
}

void ReplicatorDriver::RunAfter(std::chrono::milliseconds delay) {
  loop_.Cancel(timer_);
  timer_ = loop_.After(delay, [this] { Run(); });
}

void ReplicatorDriver::Run() {
  timer_ = EventLoop::TimerId::kNone;
  RunAfter(replicator_.RunTimers());
}

}  // namespace hnx::hyper
