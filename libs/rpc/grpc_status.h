// Error <-> grpc::Status. ErrorCode carries gRPC's canonical numbers, so the mapping is a cast; the
// message goes over the wire as it is, cut at kStatusMessageBytesMax because gRPC sends it as a
// header.
#pragma once

#include <cstddef>

#include <grpcpp/support/status.h>

#include "base/result.h"

namespace hnx::rpc {

inline constexpr std::size_t kStatusMessageBytesMax = 4096;

grpc::Status ToGrpcStatus(const Error& error);

template <class T>
grpc::Status ToGrpcStatus(const Result<T>& result) {
  return result.has_value() ? grpc::Status::OK : ToGrpcStatus(result.error());
}

// `status` must not be OK. A number that is no canonical code becomes kUnknown.
Error FromGrpcStatus(const grpc::Status& status);

// The outcome of a call; `what` names it: "synchronize with 127.0.0.1:7070".
Result<void> CheckStatus(const grpc::Status& status, std::string_view what);

// A code that came as a plain number in a message.
ErrorCode ErrorCodeFromNumber(int number);

}  // namespace hnx::rpc
