#include "cli/stop_signal.h"

#include <cerrno>
#include <csignal>

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/check.h"

namespace hnx::cli {
namespace {

sigset_t StopSignals() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGINT);
  ::sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

StopSignal::StopSignal() {
  const sigset_t set = StopSignals();
  HNX_CHECK(::pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  fd_ = UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC));
  HNX_CHECK(fd_.valid());
}

StopSignal::~StopSignal() {
  const sigset_t set = StopSignals();
  (void)::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

int StopSignal::Wait() {
  for (;;) {
    if (const auto signal = WaitFor(std::chrono::milliseconds(-1))) {
      return *signal;
    }
  }
}

std::optional<int> StopSignal::WaitFor(std::chrono::milliseconds timeout) {
  pollfd waiting{.fd = fd_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&waiting, 1, static_cast<int>(timeout.count())) <= 0) {
    return std::nullopt;
  }
  signalfd_siginfo info{};
  if (::read(fd_.get(), &info, sizeof(info)) != static_cast<ssize_t>(sizeof(info))) {
    return std::nullopt;
  }
  // From here on the default action: a second Ctrl-C ends the process.
  const sigset_t set = StopSignals();
  (void)::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  return static_cast<int>(info.ssi_signo);
}

}  // namespace hnx::cli
