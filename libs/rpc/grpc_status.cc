#include "rpc/grpc_status.h"

#include "base/check.h"

namespace hnx::rpc {

static_assert(static_cast<int>(ErrorCode::kCancelled) == grpc::StatusCode::CANCELLED);
static_assert(static_cast<int>(ErrorCode::kNotFound) == grpc::StatusCode::NOT_FOUND);
static_assert(static_cast<int>(ErrorCode::kAborted) == grpc::StatusCode::ABORTED);
static_assert(static_cast<int>(ErrorCode::kUnavailable) == grpc::StatusCode::UNAVAILABLE);
static_assert(static_cast<int>(ErrorCode::kDataLoss) == grpc::StatusCode::DATA_LOSS);
static_assert(static_cast<int>(ErrorCode::kUnauthenticated) == grpc::StatusCode::UNAUTHENTICATED);

grpc::Status ToGrpcStatus(const Error& error) {
  return {static_cast<grpc::StatusCode>(error.code),
          error.message.substr(0, kStatusMessageBytesMax)};
}

ErrorCode ErrorCodeFromNumber(int number) {
  const bool known = number >= static_cast<int>(ErrorCode::kCancelled) &&
                     number <= static_cast<int>(ErrorCode::kUnauthenticated);
  return known ? static_cast<ErrorCode>(number) : ErrorCode::kUnknown;
}

Error FromGrpcStatus(const grpc::Status& status) {
  HNX_CHECK(!status.ok());
  return {ErrorCodeFromNumber(static_cast<int>(status.error_code())), status.error_message()};
}

Result<void> CheckStatus(const grpc::Status& status, std::string_view what) {
  if (status.ok()) {
    return {};
  }
  return FromGrpcStatus(status).Annotate(what);
}

}  // namespace hnx::rpc
