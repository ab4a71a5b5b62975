#include "swarm/bridge_process.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <string_view>
#include <system_error>

#include <fmt/core.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/environment.h"

namespace hnx::swarm {

namespace {

namespace fs = std::filesystem;

constexpr int kCannotRun = 127;
// Leaving politely costs the caller time; others forget us by themselves.
constexpr const char* kGrace = "2s";

// Its options come from us, not from variables that are meant for this program.
std::vector<std::string> EnvironmentWithoutOurs() {
  std::vector<std::string> kept;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!std::string_view(*variable).starts_with("HNX_")) {
      kept.emplace_back(*variable);
    }
  }
  return kept;
}

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) {
    pointers.push_back(word.data());
  }
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Result<fs::path> FindNode() {
  const std::string search = cli::EnvironmentVariable("PATH").value_or("/usr/bin:/bin");
  for (std::size_t begin = 0; begin <= search.size();) {
    const std::size_t end = std::min(search.find(':', begin), search.size());
    const fs::path node = fs::path(search.substr(begin, end - begin)) / "node";
    if (::access(node.c_str(), X_OK) == 0) {
      return node;
    }
    begin = end + 1;
  }
  return NotFound(
      "Node.js (node) is not in PATH, and the swarm needs it: install it, or name a peer with "
      "--peer HOST:PORT, or turn the swarm off with --swarm off");
}

Result<fs::path> FindBridge() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& folder :
       {self / "../libexec/hypercore-nixos/swarm", self / "../../../swarm", self / "../../swarm"}) {
    // Without its packages it does not run.
    if (fs::exists(folder / "swarm.mjs", error) && fs::exists(folder / "node_modules", error)) {
      return fs::weakly_canonical(folder / "swarm.mjs", error);
    }
  }
  return NotFound(
      "the swarm bridge is not installed beside this program: run tools/install-swarm, or name its "
      "swarm.mjs with --swarm-program, or a peer with --peer HOST:PORT");
}

Result<std::unique_ptr<BridgeProcess>> BridgeProcess::Start(const BridgeCommand& command) {
  std::vector<std::string> words = {command.node.string(),
                                    command.program.string(),
                                    "--socket",
                                    command.socket.string(),
                                    "--grace",
                                    kGrace,
                                    "--log-level",
                                    "warning",
                                    "--keep-announced",
                                    "1s"};
  for (const std::string& address : command.bootstrap) {
    words.insert(words.end(), {"--bootstrap", address});
  }
  std::vector<std::string> variables = EnvironmentWithoutOurs();
  const std::vector<char*> arguments = Pointers(words);
  const std::vector<char*> environment = Pointers(variables);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) {
    return Errno("start", command.program.string());
  }
  if (pid == 0) {
    // A Ctrl-C is for the parent, which ends this one.
    (void)::setpgid(0, 0);
    (void)::prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigset_t none;
    ::sigemptyset(&none);
    (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
    if (::getppid() == parent && ::dup2(STDERR_FILENO, STDOUT_FILENO) >= 0) {
      (void)::execve(arguments[0], arguments.data(), environment.data());
    }
    ::_exit(kCannotRun);
  }
  return std::unique_ptr<BridgeProcess>(new BridgeProcess(pid));
}

BridgeProcess::~BridgeProcess() {
  const MutexLock lock(mutex_);
  HNX_CHECK(pid_ == 0);
}

std::string BridgeProcess::Wait() {
  pid_t pid = 0;
  {
    const MutexLock lock(mutex_);
    pid = pid_;
  }
  // Not reaped before Terminate is kept out: until then the number belongs to nobody else.
  siginfo_t ended{};
  while (::waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOWAIT) != 0 &&
         errno == EINTR) {
  }
  const MutexLock lock(mutex_);
  pid_ = 0;
  (void)::waitpid(pid, nullptr, 0);
  return fmt::format("{} {}", ended.si_code == CLD_EXITED ? "exit status" : "signal",
                     ended.si_status);
}

void BridgeProcess::Terminate() {
  const MutexLock lock(mutex_);
  if (pid_ != 0) {
    (void)::kill(pid_, SIGTERM);
  }
}

}  // namespace hnx::swarm
