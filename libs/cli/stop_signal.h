// StopSignal: SIGINT and SIGTERM as something to wait for instead of a handler. Made first thing in
// a program, before any thread: threads inherit the blocked signals. A second signal while the
// program is already stopping ends it at once, as an impatient Ctrl-C expects.
#pragma once

#include <chrono>
#include <optional>

#include "base/file.h"

namespace hnx::cli {

class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  // Until a signal comes; its number.
  int Wait();
  // Nothing: none came in that time.
  std::optional<int> WaitFor(std::chrono::milliseconds timeout);
  // Readable when a signal waits; for poll(2).
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
};

}  // namespace hnx::cli
