#include "rpc/server.h"

#include <utility>

#include <fmt/core.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include "rpc/channel.h"

namespace hnx::rpc {

Result<std::unique_ptr<Server>> Server::Start(const std::string& address,
                                              const std::vector<grpc::Service*>& services,
                                              CallObserver observer) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  // Two servers on one port would share its connections at random: refuse instead.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kKeepaliveMs / 2);
  builder.SetMaxReceiveMessageSize(kMessageBytesMax);
  builder.SetMaxSendMessageSize(kMessageBytesMax);
  for (grpc::Service* service : services) {
    builder.RegisterService(service);
  }
  if (observer) {
    std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> factories;
    factories.push_back(ObserveCalls(std::move(observer)));
    builder.experimental().SetInterceptorCreators(std::move(factories));
  }
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    return Unavailable(
        fmt::format("listen on {}: the address is in use or not of this machine", address));
  }
  return std::unique_ptr<Server>(new Server(std::move(server), port));
}

Server::Server(std::unique_ptr<grpc::Server> server, int port)
    : server_(std::move(server)), port_(port) {}

Server::~Server() {
  Stop(std::chrono::milliseconds(0));
}

void Server::Stop(std::chrono::milliseconds grace) {
  server_->Shutdown(DeadlineIn(grace));
  server_->Wait();
}

}  // namespace hnx::rpc
