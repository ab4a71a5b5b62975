#include "rpc/channel.h"

#include <charconv>
#include <cstdlib>

#include <fmt/core.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/support/channel_arguments.h>

#include "base/clock.h"
#include "rpc/grpc_log.h"

namespace hnx::rpc {
namespace {

// While no call waits, as all of ours that fail at once, nobody but gRPC's backup poller drives a
// handshake, every five seconds; one of TLS takes several such rounds, and never comes to its end
// in time. Read when gRPC starts, which is after this. The environment's own word counts before.
[[maybe_unused]] const int kBackupPolling =
    // NOLINTNEXTLINE(concurrency-mt-unsafe): before main, there are no other threads
    ::setenv("GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS", "200", 0);

bool IsEndpoint(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) {
    return false;
  }
  const std::string_view host = text.substr(0, colon);
  const bool bracketed = host.front() == '[' && host.back() == ']';
  if (host.find(':') != std::string_view::npos && !bracketed) {
    return false;
  }
  const std::string_view digits = text.substr(colon + 1);
  unsigned port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  constexpr unsigned kPortMax = 65'535;
  return error == std::errc() && end == digits.data() + digits.size() && port >= 1 &&
         port <= kPortMax;
}

}  // namespace

Result<std::vector<std::string>> ParseEndpoints(std::string_view text) {
  std::vector<std::string> endpoints;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    const std::string_view part = text.substr(begin, comma - begin);
    if (!IsEndpoint(part)) {
      return InvalidArgument(
          fmt::format("endpoint \"{}\": want HOST:PORT with a port from 1 to 65535", part));
    }
    endpoints.emplace_back(part);
    begin = comma + 1;
  }
  if (endpoints.size() > kEndpointsMax) {
    return InvalidArgument(
        fmt::format("{} endpoints given, at most {} are taken", endpoints.size(), kEndpointsMax));
  }
  return endpoints;
}

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& endpoint,
                                           const ClientCredentials& credentials) {
  RouteGrpcLog();
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectMsMax);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectMsMin);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMsMax);
  // Connections are not shared with channels whose credentials are others.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // The coordinator is named by its operator; a proxy from the environment is for upstreams.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytesMax);
  if (!credentials.server_name().empty()) {
    arguments.SetSslTargetNameOverride(credentials.server_name());
  }
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  arguments.SetMaxSendMessageSize(kMessageBytesMax);
  return grpc::CreateCustomChannel(endpoint, credentials.channel(), arguments);
}

std::chrono::system_clock::time_point DeadlineIn(std::chrono::milliseconds time) {
  return Clock::Real().Wall() + time;
}

std::unique_ptr<grpc::ClientContext> MakeContext(std::chrono::milliseconds deadline) {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(DeadlineIn(deadline));
  return context;
}

}  // namespace hnx::rpc
