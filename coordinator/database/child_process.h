// ChildProcess: fork and exec with what a database server needs: another user, inherited
// descriptors, a session of its own (so that Ctrl-C in our terminal does not reach it).
//
// Between fork and exec only async-signal-safe calls run, so a process with threads may use it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/file.h"
#include "base/result.h"

namespace hnx::coordinator {

struct UserIds {
  uid_t uid = 0;
  gid_t gid = 0;
  bool operator==(const UserIds&) const = default;
};

struct ChildSpec {
  std::vector<std::string> arguments;    // [0] is the path of the program
  std::vector<std::string> environment;  // the whole of it, "NAME=value"
  int output_fd = -1;                    // becomes stdout and stderr; -1: /dev/null
  std::vector<int> inherited_fds;        // keep their numbers
  std::optional<UserIds> run_as;         // only root can; supplementary groups are dropped
  // A user namespace in which the child's ids appear as these: for programs that insist on a name
  // for their uid.
  std::optional<UserIds> appear_as;
  bool new_session = false;
};

// A process that is being watched, a child or not. Not copyable; destroying it leaves the process
// alone. A killed and reaped pid that is used again by someone else is never signalled.
class ProcessHandle {
 public:
  // kNotFound when there is no such process.
  static Result<ProcessHandle> Open(pid_t pid);

  pid_t pid() const { return pid_; }
  // Readable when the process has ended; for poll(2).
  int fd() const { return fd_.get(); }
  // kNotFound when it has ended.
  Result<void> Signal(int signal) const;
  // Whether it ended in that time; -1 waits for ever.
  bool WaitFor(std::chrono::milliseconds timeout) const;

 private:
  ProcessHandle(pid_t pid, UniqueFd fd) : pid_(pid), fd_(std::move(fd)) {}
  pid_t pid_;
  UniqueFd fd_;
};

// Starts; the caller must reap it some time (Reap).
Result<ProcessHandle> StartChild(const ChildSpec& spec);
// Waits for its end: the exit status, or 128 + the signal.
int Reap(pid_t pid);

// Starts, waits and gives everything it printed (at most kOutputMax bytes, the rest is dropped).
struct ChildResult {
  int status = 0;
  std::string output;
};
inline constexpr std::size_t kChildOutputMax = std::size_t{64} << 10;
Result<ChildResult> RunChild(ChildSpec spec);

}  // namespace hnx::coordinator
