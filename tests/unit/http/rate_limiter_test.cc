#include "http/rate_limiter.h"

#include <gtest/gtest.h>

namespace hnx::http {
namespace {

using std::chrono::milliseconds;

TEST(RateLimiter, NeverHoldsWithoutALimit) {
  FakeClock clock;
  RateLimiter limiter(clock);
  EXPECT_TRUE(limiter.Take(1'000'000'000'000));
  EXPECT_EQ(limiter.Wait(), milliseconds(0));
}

TEST(RateLimiter, WaitsAsLongAsTheDebtTakes) {
  FakeClock clock;
  RateLimiter limiter(clock);
  limiter.SetRate(1000);
  EXPECT_FALSE(limiter.Take(500));
  EXPECT_EQ(limiter.Wait(), milliseconds(500));
  clock.Advance(milliseconds(200));
  EXPECT_EQ(limiter.Wait(), milliseconds(300));
  clock.Advance(milliseconds(300));
  EXPECT_EQ(limiter.Wait(), milliseconds(0));
}

TEST(RateLimiter, SavesNoMoreThanASmallBurstWhileIdle) {
  FakeClock clock;
  RateLimiter limiter(clock);
  limiter.SetRate(1000);
  clock.Advance(milliseconds(3'600'000));
  EXPECT_TRUE(limiter.Take(100));
  EXPECT_FALSE(limiter.Take(100));
  EXPECT_EQ(limiter.Wait(), milliseconds(100));
}

TEST(RateLimiter, ForgetsItsDebtWhenTheLimitIsLifted) {
  FakeClock clock;
  RateLimiter limiter(clock);
  limiter.SetRate(10);
  EXPECT_FALSE(limiter.Take(1'000'000));
  limiter.SetRate(0);
  EXPECT_EQ(limiter.Wait(), milliseconds(0));
}

}  // namespace
}  // namespace hnx::http
