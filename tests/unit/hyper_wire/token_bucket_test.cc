#include "hyper/wire/token_bucket.h"

#include <gtest/gtest.h>

namespace hnx::hyper {
namespace {

using std::chrono::milliseconds;

TEST(TokenBucketTest, GivesItsBurstAtOnceAndThenItsRate) {
  FakeClock clock;
  TokenBucket bucket(clock, 10, 5);
  EXPECT_TRUE(bucket.TryTake(10));
  EXPECT_FALSE(bucket.TryTake(1));
  clock.Advance(milliseconds(1000));
  EXPECT_TRUE(bucket.TryTake(5));
  EXPECT_FALSE(bucket.TryTake(1));
}

TEST(TokenBucketTest, NeverHoldsMoreThanItsBurst) {
  FakeClock clock;
  TokenBucket bucket(clock, 10, 5);
  clock.Advance(milliseconds(1'000'000));
  EXPECT_FALSE(bucket.TryTake(11));
}

TEST(TokenBucketTest, SaysHowLongItsDebtLasts) {
  FakeClock clock;
  TokenBucket bucket(clock, 100, 1000);
  EXPECT_EQ(bucket.Wait(), milliseconds(0));
  bucket.Take(600);
  EXPECT_EQ(bucket.Wait(), milliseconds(501));
  clock.Advance(milliseconds(501));
  EXPECT_EQ(bucket.Wait(), milliseconds(0));
}

TEST(TokenBucketTest, WithoutARateThereIsNoLimit) {
  FakeClock clock;
  TokenBucket bucket(clock, 1, 0);
  bucket.Take(1'000'000);
  EXPECT_TRUE(bucket.TryTake(1'000'000));
  EXPECT_EQ(bucket.Wait(), milliseconds(0));
}

}  // namespace
}  // namespace hnx::hyper
