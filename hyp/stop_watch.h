// StopWatch: SIGINT and SIGTERM end what a command is doing: reads from peers at once, its own
// loops when they look. Made before any other thread.
#pragma once

#include <chrono>
#include <memory>
#include <thread>

#include "base/mutex.h"
#include "cli/stop_signal.h"
#include "hyper/node/read_limits.h"

namespace hnx::hyp {

class StopWatch {
 public:
  StopWatch();
  ~StopWatch();
  StopWatch(const StopWatch&) = delete;
  StopWatch& operator=(const StopWatch&) = delete;
  StopWatch(StopWatch&&) = delete;
  StopWatch& operator=(StopWatch&&) = delete;

  // Cancelled by the signal.
  const std::shared_ptr<hyper::Cancellation>& cancellation() const { return cancellation_; }
  // True: the signal came, before or within that time.
  bool WaitFor(std::chrono::milliseconds time) HNX_EXCLUDES(mutex_);

 private:
  cli::StopSignal signal_;
  const std::shared_ptr<hyper::Cancellation> cancellation_;
  Mutex mutex_;
  CondVar came_;
  std::jthread thread_;
};

}  // namespace hnx::hyp
