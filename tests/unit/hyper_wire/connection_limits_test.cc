#include "hyper/transport/connection_limits.h"

#include <gtest/gtest.h>

namespace hnx::hyper {
namespace {

TEST(ConnectionLimitsTest, RefusesOneMoreFromAnAddressThanIsAllowed) {
  ConnectionLimits limits(10, 2);
  EXPECT_TRUE(limits.Enter("a").has_value());
  EXPECT_TRUE(limits.Enter("a").has_value());
  const Result<void> third = limits.Enter("a");
  ASSERT_FALSE(third.has_value());
  EXPECT_EQ(third.error().code, ErrorCode::kResourceExhausted);
  EXPECT_TRUE(limits.Enter("b").has_value());
}

TEST(ConnectionLimitsTest, RefusesOneMoreInAllThanIsAllowed) {
  ConnectionLimits limits(2, 2);
  EXPECT_TRUE(limits.Enter("a").has_value());
  EXPECT_TRUE(limits.Enter("").has_value());
  EXPECT_FALSE(limits.Enter("c").has_value());
  EXPECT_FALSE(limits.Enter("").has_value());
}

TEST(ConnectionLimitsTest, WhoLeavesMakesRoom) {
  ConnectionLimits limits(1, 1);
  EXPECT_TRUE(limits.Enter("a").has_value());
  limits.Leave("a");
  EXPECT_EQ(limits.total(), 0U);
  EXPECT_TRUE(limits.Enter("a").has_value());
}

TEST(ConnectionLimitsTest, ARefusalByTheTotalDoesNotCountForTheAddress) {
  ConnectionLimits limits(1, 1);
  EXPECT_TRUE(limits.Enter("a").has_value());
  EXPECT_FALSE(limits.Enter("b").has_value());
  limits.Leave("a");
  EXPECT_TRUE(limits.Enter("b").has_value());
}

}  // namespace
}  // namespace hnx::hyper
