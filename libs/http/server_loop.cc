#include "http/server_loop.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdarg>
#include <cstdint>
#include <cstdio>

#include <poll.h>
#include <sys/eventfd.h>

#include "base/check.h"
#include "base/log.h"
#include "http/http_message.h"

namespace hnx::http {
namespace {

// Leaves the URL as it was sent.
std::size_t KeepEscapes(void* /*closure*/, MHD_Connection* /*connection*/, char* text) {
  return std::char_traits<char>::length(text);
}

void LogLine(void* /*closure*/, const char* format, va_list arguments) {
  char line[512];
  const int size = std::vsnprintf(line, sizeof(line), format, arguments);
  if (size > 0) {
    Log("http")->debug("{}", TrimBlanks(line));
  }
}

// Of this thread, for good: a client that goes away in the middle of a file must not end the
// program. What libmicrohttpd sends otherwise asks for no signal, sendfile cannot.
bool BlockSigpipe() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGPIPE);
  return ::pthread_sigmask(SIG_BLOCK, &signals, nullptr) == 0;
}

}  // namespace

Result<std::unique_ptr<ServerLoop>> ServerLoop::Make(UniqueFd listener,
                                                     const ServerLoopLimits& limits,
                                                     const ServerCallbacks& callbacks) {
  UniqueFd interrupt(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!interrupt.valid()) {
    return Errno("make an eventfd for", "the HTTP server");
  }
  const unsigned flags =
      static_cast<unsigned>(MHD_USE_EPOLL) | static_cast<unsigned>(MHD_USE_TURBO) |
      static_cast<unsigned>(MHD_USE_ERROR_LOG) | static_cast<unsigned>(MHD_ALLOW_SUSPEND_RESUME);
  MHD_Daemon* const daemon = ::MHD_start_daemon(
      flags, 0, callbacks.accept, callbacks.closure, callbacks.request, callbacks.closure,  //
      MHD_OPTION_EXTERNAL_LOGGER, &LogLine, nullptr,        // first: later options may log
      MHD_OPTION_LISTEN_SOCKET, listener.get(),             //
      MHD_OPTION_CONNECTION_LIMIT, limits.connections_max,  //
      MHD_OPTION_CONNECTION_TIMEOUT, static_cast<unsigned>(limits.idle_timeout.count()),  //
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, limits.head_size_max,                           //
      MHD_OPTION_UNESCAPE_CALLBACK, &KeepEscapes, nullptr,                                //
      MHD_OPTION_NOTIFY_COMPLETED, callbacks.completed, callbacks.closure,                //
      MHD_OPTION_NOTIFY_CONNECTION, callbacks.connection, callbacks.closure,              //
      MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,  // it uses sendfile only if so: BlockSigpipe
      MHD_OPTION_STRICT_FOR_CLIENT, 1,       //
      MHD_OPTION_END);
  if (daemon == nullptr) {
    return Internal("libmicrohttpd refused (too few file descriptors?)");
  }
  (void)listener.Release();  // the daemon closes it
  const auto* events = ::MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
  HNX_CHECK(events != nullptr && events->epoll_fd >= 0);
  return std::unique_ptr<ServerLoop>(
      new ServerLoop(daemon, events->epoll_fd, std::move(interrupt)));
}

ServerLoop::~ServerLoop() {
  Stop();
  ::MHD_stop_daemon(daemon_);
}

void ServerLoop::Interrupt() {
  // Fails only when it would count beyond 64 bits, and then it is readable.
  (void)::eventfd_write(interrupt_.get(), 1);
}

std::chrono::milliseconds ServerLoop::RunOnce() {
  thread_local const bool blocked = BlockSigpipe();
  HNX_CHECK(blocked);
  constexpr std::chrono::milliseconds kAtOnce{0};
  MHD_UNSIGNED_LONG_LONG wait = static_cast<MHD_UNSIGNED_LONG_LONG>(kWaitMax.count());
  MHD_UNSIGNED_LONG_LONG wanted = 0;
  if (::MHD_get_timeout(daemon_, &wanted) == MHD_YES) {
    wait = std::min(wait, wanted);
  }
  std::array<pollfd, 2> watched{{{.fd = events_, .events = POLLIN, .revents = 0},
                                 {.fd = interrupt_.get(), .events = POLLIN, .revents = 0}}};
  (void)::poll(watched.data(), watched.size(), static_cast<int>(wait));
  if (watched[1].revents != 0) {
    eventfd_t count = 0;
    (void)::eventfd_read(interrupt_.get(), &count);
  }
  if (::MHD_run(daemon_) != MHD_YES) {
    Log("http")->warn("libmicrohttpd could not look at its connections");
    return kWaitMax;
  }
  return kAtOnce;
}

}  // namespace hnx::http
