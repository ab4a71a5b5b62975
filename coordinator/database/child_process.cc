#include "coordinator/database/child_process.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hnx::coordinator {
namespace {

constexpr int kSetUpFailed = 126;
constexpr int kExecFailed = 127;

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& text : strings) {
    pointers.push_back(text.data());
  }
  pointers.push_back(nullptr);
  return pointers;
}

bool WriteText(const char* path, const char* text) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  const auto length = static_cast<ssize_t>(std::strlen(text));
  const bool written = fd >= 0 && ::write(fd, text, static_cast<std::size_t>(length)) == length;
  if (fd >= 0) {
    ::close(fd);
  }
  return written;
}

// Everything that the child needs, made before the fork.
struct Prepared {
  std::vector<char*> arguments;
  std::vector<char*> environment;
  std::string uid_map;
  std::string gid_map;
};

std::string MapLine(unsigned inside, unsigned outside) {
  return fmt::format("{} {} 1", inside, outside);
}

[[noreturn]] void Fail(const char* what) {
  (void)!::write(STDERR_FILENO, what, std::strlen(what));
  const char* cause = ::strerrorname_np(errno);
  if (cause != nullptr) {
    (void)!::write(STDERR_FILENO, cause, std::strlen(cause));
  }
  (void)!::write(STDERR_FILENO, "\n", 1);
  ::_exit(kSetUpFailed);
}

// A child may hold signals blocked or ignored by us; a server must see its own.
void ResetSignals() {
  sigset_t none;
  ::sigemptyset(&none);
  (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD}) {
    (void)::signal(signal, SIG_DFL);
  }
}

void ChangeUser(const UserIds& ids) {
  if (::setgroups(0, nullptr) != 0) {
    Fail("drop supplementary groups: ");
  }
  if (::setgid(ids.gid) != 0) {
    Fail("change group: ");
  }
  if (::setuid(ids.uid) != 0) {
    Fail("change user: ");
  }
}

void EnterUserNamespace(const Prepared& prepared) {
  if (::unshare(CLONE_NEWUSER) != 0) {
    Fail("make a user namespace: ");
  }
  if (!WriteText("/proc/self/setgroups", "deny") ||
      !WriteText("/proc/self/uid_map", prepared.uid_map.c_str()) ||
      !WriteText("/proc/self/gid_map", prepared.gid_map.c_str())) {
    Fail("map user ids: ");
  }
}

[[noreturn]] void RunInChild(const ChildSpec& spec, const Prepared& prepared) {
  if (spec.new_session) {
    ::setsid();
  }
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  const int output = spec.output_fd >= 0 ? spec.output_fd : null;
  if (::dup2(null, STDIN_FILENO) < 0 || ::dup2(output, STDOUT_FILENO) < 0 ||
      ::dup2(output, STDERR_FILENO) < 0) {
    ::_exit(kSetUpFailed);
  }
  ResetSignals();
  for (const int fd : spec.inherited_fds) {
    if (::fcntl(fd, F_SETFD, 0) != 0) {
      Fail("hand on a descriptor: ");
    }
  }
  ::umask(S_IRWXG | S_IRWXO);
  if (::chdir("/") != 0) {
    Fail("change to /: ");
  }
  if (spec.run_as) {
    ChangeUser(*spec.run_as);
  }
  if (spec.appear_as) {
    EnterUserNamespace(prepared);
  }
  ::execve(prepared.arguments[0], prepared.arguments.data(), prepared.environment.data());
  Fail("start the program: ");
}

std::string ReadToEnd(int fd) {
  std::string output;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return output;
    }
    const std::size_t room = kChildOutputMax - output.size();
    output.append(buffer.data(), std::min(room, static_cast<std::size_t>(got)));
  }
}

}  // namespace

Result<ProcessHandle> ProcessHandle::Open(pid_t pid) {
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!fd.valid()) {
    return errno == ESRCH ? NotFound(fmt::format("no process {}", pid))
                          : Errno("watch process", std::to_string(pid));
  }
  (void)::fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
  return ProcessHandle(pid, std::move(fd));
}

Result<void> ProcessHandle::Signal(int signal) const {
  if (::syscall(SYS_pidfd_send_signal, fd_.get(), signal, nullptr, 0) != 0) {
    return errno == ESRCH ? NotFound(fmt::format("process {} has ended", pid_))
                          : Errno("signal process", std::to_string(pid_));
  }
  return {};
}

bool ProcessHandle::WaitFor(std::chrono::milliseconds timeout) const {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    const int wait = timeout.count() < 0 ? -1 : static_cast<int>(std::max(left.count(), 0L));
    pollfd waiting{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    const int ready = ::poll(&waiting, 1, wait);
    if (ready > 0) {
      return true;
    }
    if (ready == 0) {
      return false;
    }
  }
}

Result<ProcessHandle> StartChild(const ChildSpec& spec) {
  std::vector<std::string> arguments = spec.arguments;
  std::vector<std::string> environment = spec.environment;
  Prepared prepared;
  prepared.arguments = Pointers(arguments);
  prepared.environment = Pointers(environment);
  if (spec.appear_as) {
    const UserIds outside = spec.run_as.value_or(UserIds{::geteuid(), ::getegid()});
    prepared.uid_map = MapLine(spec.appear_as->uid, outside.uid);
    prepared.gid_map = MapLine(spec.appear_as->gid, outside.gid);
  }
  const pid_t pid = ::fork();
  if (pid < 0) {
    return Errno("fork for", spec.arguments.front());
  }
  if (pid == 0) {
    RunInChild(spec, prepared);
  }
  return ProcessHandle::Open(pid);
}

int Reap(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) {
      return kExecFailed;
    }
  }
  constexpr int kSignalBase = 128;
  return WIFSIGNALED(status) ? kSignalBase + WTERMSIG(status) : WEXITSTATUS(status);
}

Result<ChildResult> RunChild(ChildSpec spec) {
  std::array<int, 2> pipe_fds{};
  if (::pipe2(pipe_fds.data(), O_CLOEXEC) != 0) {
    return Errno("make a pipe for", spec.arguments.front());
  }
  const UniqueFd read_end(pipe_fds[0]);
  UniqueFd write_end(pipe_fds[1]);
  spec.output_fd = write_end.get();
  HNX_ASSIGN_OR_RETURN(const ProcessHandle child, StartChild(spec));
  write_end = UniqueFd();
  ChildResult result;
  result.output = ReadToEnd(read_end.get());
  result.status = Reap(child.pid());
  return result;
}

}  // namespace hnx::coordinator
