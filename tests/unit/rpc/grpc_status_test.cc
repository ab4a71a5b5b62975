#include "rpc/grpc_status.h"

#include <gtest/gtest.h>

namespace hnx::rpc {
namespace {

TEST(GrpcStatusTest, EveryCodeSurvivesTheWayThereAndBack) {
  for (int number = 1; number <= 16; ++number) {
    const Error error{static_cast<ErrorCode>(number), "why"};
    const Error back = FromGrpcStatus(ToGrpcStatus(error));
    EXPECT_EQ(back.code, error.code);
    EXPECT_EQ(back.message, "why");
  }
}

TEST(GrpcStatusTest, ANumberOfAFutureCodeIsUnknown) {
  EXPECT_EQ(ErrorCodeFromNumber(17), ErrorCode::kUnknown);
  EXPECT_EQ(ErrorCodeFromNumber(-1), ErrorCode::kUnknown);
  EXPECT_EQ(ErrorCodeFromNumber(0), ErrorCode::kUnknown);
}

TEST(GrpcStatusTest, CutsALongMessage) {
  const Error error{ErrorCode::kInternal, std::string(100'000, 'x')};
  EXPECT_EQ(ToGrpcStatus(error).error_message().size(), kStatusMessageBytesMax);
}

TEST(GrpcStatusTest, AGoodResultIsOk) {
  EXPECT_TRUE(ToGrpcStatus(Result<void>()).ok());
  EXPECT_TRUE(CheckStatus(grpc::Status::OK, "x").has_value());
}

TEST(GrpcStatusTest, CheckStatusNamesTheCall) {
  const auto result = CheckStatus({grpc::StatusCode::UNAVAILABLE, "refused"}, "synchronize");
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().message, "synchronize: refused");
}

}  // namespace
}  // namespace hnx::rpc
