// A gRPC channel to one endpoint: keepalive that notices a dead peer within seconds, reconnection
// that backs off to at most kReconnectMsMax, message sizes with a named limit. Every call carries a
// deadline: MakeContext is the only way in which this project makes a ClientContext.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "base/result.h"
#include "rpc/client_credentials.h"

namespace hnx::rpc {

inline constexpr int kMessageBytesMax = 16 << 20;
inline constexpr int kKeepaliveMs = 10'000;
inline constexpr int kKeepaliveTimeoutMs = 5'000;
inline constexpr int kReconnectMsMin = 200;
// One attempt to connect, handshakes included: over a slow line, on a busy machine.
inline constexpr int kConnectMsMax = 5'000;
inline constexpr int kReconnectMsMax = 2'000;
// Headers of one call, together; a status message of kStatusMessageBytesMax fits, percent-encoded.
inline constexpr int kMetadataBytesMax = 16 << 10;
inline constexpr std::size_t kEndpointsMax = 16;

// "HOST:PORT[,HOST:PORT...]"; an IPv6 address stands in brackets. kInvalidArgument names the part
// that is wrong.
Result<std::vector<std::string>> ParseEndpoints(std::string_view text);

// Does not connect yet. Thread-safe as grpc::Channel is. `credentials` must outlive it.
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& endpoint,
                                           const ClientCredentials& credentials);

// gRPC counts deadlines by the wall clock.
std::chrono::system_clock::time_point DeadlineIn(std::chrono::milliseconds time);

std::unique_ptr<grpc::ClientContext> MakeContext(std::chrono::milliseconds deadline);

}  // namespace hnx::rpc
