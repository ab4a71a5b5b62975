#include "base/retry_policy.h"

#include <gtest/gtest.h>

namespace hnx {
namespace {

using std::chrono::milliseconds;

TEST(RetryPolicyTest, DelaysGrowAndStayUnderTheCap) {
  const RetryPolicy policy{.base = milliseconds(100), .cap = milliseconds(1000)};
  std::mt19937_64 random(1);
  for (int attempt = 1; attempt < 200; ++attempt) {
    const auto delay = policy.Delay(attempt, random);
    EXPECT_GE(delay, milliseconds(50)) << attempt;
    EXPECT_LE(delay, milliseconds(1000)) << attempt;
  }
}

TEST(RetryPolicyTest, RetryAfterIsAFloorThatHasItsOwnCap) {
  const RetryPolicy policy{
      .base = milliseconds(1), .cap = milliseconds(1), .retry_after_cap = milliseconds(5000)};
  std::mt19937_64 random(1);
  EXPECT_EQ(policy.Delay(1, random, milliseconds(3000)), milliseconds(3000));
  EXPECT_EQ(policy.Delay(1, random, milliseconds(1'000'000'000)), milliseconds(5000));
}

TEST(RetryPolicyTest, WhatWillBeWrongAgainIsNotRetried) {
  EXPECT_TRUE(IsRetryable(ErrorCode::kUnavailable));
  EXPECT_FALSE(IsRetryable(ErrorCode::kNotFound));
  EXPECT_FALSE(IsRetryable(ErrorCode::kDataLoss));
  EXPECT_FALSE(IsRetryable(ErrorCode::kUnauthenticated));
}

}  // namespace
}  // namespace hnx
