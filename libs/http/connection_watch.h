// ConnectionWatch: what a server's options mean for its table of connections, and the thread that
// ends those whose time is over. Internal to this folder.
#pragma once

#include <chrono>

#include "base/service.h"
#include "http/connection_table.h"
#include "http/http_server.h"

namespace hnx::http {

// No more connections than half of the files that the process may open: each may have one open.
ConnectionLimits LimitsOf(const HttpServerOptions& options);

class ConnectionWatch final : public LoopService {
 public:
  // `table` must outlive it. Looks several times in `wait_max`.
  ConnectionWatch(ConnectionTable& table, std::chrono::milliseconds wait_max);
  ~ConnectionWatch() override { Stop(); }
  std::chrono::milliseconds RunOnce() override;

 private:
  ConnectionTable& table_;
  const std::chrono::milliseconds interval_;
};

}  // namespace hnx::http
