// Server: a gRPC server with our limits, listening on one address. Thread-safe.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/impl/service_type.h>
#include <grpcpp/server.h>

#include "base/result.h"
#include "rpc/call_observer.h"
#include "rpc/door.h"

namespace hnx::rpc {

class Server {
 public:
  // Listens on `address` ("127.0.0.1:7070"; port 0 takes a free one). The services must outlive the
  // server. `observer` may be empty; without a door everybody is let in. kUnavailable: the address
  // cannot be had.
  static Result<std::unique_ptr<Server>> Start(const std::string& address,
                                               const std::vector<grpc::Service*>& services,
                                               CallObserver observer = {},
                                               std::shared_ptr<Door> door = nullptr);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  Server(Server&&) = delete;
  Server& operator=(Server&&) = delete;

  int port() const { return port_; }
  // No new calls; running ones have `grace` to end and are cancelled then. Idempotent.
  void Stop(std::chrono::milliseconds grace);

 private:
  Server(std::shared_ptr<Door> door, std::unique_ptr<grpc::Server> server, int port);

  std::shared_ptr<Door> door_;  // outlives the server
  std::unique_ptr<grpc::Server> server_;
  int port_;
};

}  // namespace hnx::rpc
