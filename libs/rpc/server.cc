#include "rpc/server.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include <fmt/core.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include "rpc/channel.h"
#include "rpc/grpc_log.h"

namespace hnx::rpc {
namespace {

// What all connections together may hold in memory. gRPC gathers a message whole before it looks at
// its length, so that kMessageBytesMax alone does not bound what a hostile caller has it gather;
// who holds most is cut off when this is used up.
constexpr std::size_t kMemoryBytesMax = std::size_t{256} << 20;
// On one connection; a caller has a handful.
constexpr int kStreamsMax = 256;
// From the TCP connection to the end of the handshake.
constexpr int kHandshakeMsMax = 10'000;

}  // namespace

Result<std::unique_ptr<Server>> Server::Start(const std::string& address,
                                              const std::vector<grpc::Service*>& services,
                                              CallObserver observer, std::shared_ptr<Door> door) {
  RouteGrpcLog();
  grpc::ServerBuilder builder;
  int port = 0;
  const bool locked = door != nullptr && !door->open();
  builder.AddListeningPort(
      address, locked ? door->MakeCredentials() : grpc::InsecureServerCredentials(), &port);
  // Two servers on one port would share its connections at random: refuse instead.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kKeepaliveMs / 2);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsMax);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytesMax);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMsMax);
  if (locked) {
    const int age_ms = static_cast<int>(std::clamp<std::int64_t>(door->connection_age().count(), 1,
                                                                 std::numeric_limits<int>::max()));
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, age_ms);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, age_ms);
  }
  builder.SetResourceQuota(grpc::ResourceQuota("calls").Resize(kMemoryBytesMax));
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
  return std::unique_ptr<Server>(new Server(std::move(door), std::move(server), port));
}

Server::Server(std::shared_ptr<Door> door, std::unique_ptr<grpc::Server> server, int port)
    : door_(std::move(door)), server_(std::move(server)), port_(port) {}

Server::~Server() {
  Stop(std::chrono::milliseconds(0));
}

void Server::Stop(std::chrono::milliseconds grace) {
  server_->Shutdown(DeadlineIn(grace));
  server_->Wait();
}

}  // namespace hnx::rpc
