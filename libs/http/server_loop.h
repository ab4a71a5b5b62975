// ServerLoop: one thread of an HTTP server: a daemon of libmicrohttpd with its own epoll set, on a
// listening socket that it shares with others. Internal to this folder.
//
// libmicrohttpd's own threads would wait for the idle timeout after exactly 128 events that came at
// once (it asks epoll for more before it looks at them, and there are no more). Here the waiting is
// ours, and libmicrohttpd never waits.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <utility>

#include <microhttpd.h>

#include "base/file.h"
#include "base/result.h"
#include "base/service.h"

namespace hnx::http {

// What libmicrohttpd calls, on the loop's thread. `closure` goes to each.
struct ServerCallbacks {
  void* closure = nullptr;
  MHD_AcceptPolicyCallback accept = nullptr;
  MHD_AccessHandlerCallback request = nullptr;
  MHD_RequestCompletedCallback completed = nullptr;
  MHD_NotifyConnectionCallback connection = nullptr;
};

struct ServerLoopLimits {
  unsigned connections_max = 0;  // beyond, nobody is let in
  std::chrono::seconds idle_timeout{0};
  std::size_t head_size_max = 0;  // bytes
};

class ServerLoop final : public LoopService {
 public:
  // Bounds how long Stop takes.
  static constexpr std::chrono::milliseconds kWaitMax{100};

  // `listener` listens and does not block. What `callbacks` name must outlive the loop.
  // kInternal: libmicrohttpd refused.
  static Result<std::unique_ptr<ServerLoop>> Make(UniqueFd listener, const ServerLoopLimits& limits,
                                                  const ServerCallbacks& callbacks);
  // Stops, then closes all connections; none may be suspended.
  ~ServerLoop() override;

  // Ends the wait: a connection was resumed. Any thread.
  void Interrupt();
  const MHD_Daemon* daemon() const { return daemon_; }

  std::chrono::milliseconds RunOnce() override;

 private:
  ServerLoop(MHD_Daemon* daemon, int events, UniqueFd interrupt)
      : LoopService("http"), daemon_(daemon), events_(events), interrupt_(std::move(interrupt)) {}

  MHD_Daemon* const daemon_;
  const int events_;  // readable: there is something to do; the daemon's
  const UniqueFd interrupt_;
};

}  // namespace hnx::http
