#include "cli/rate_meter.h"

#include <gtest/gtest.h>

namespace hnx::cli {
namespace {

Clock::SteadyTime At(int milliseconds) {
  return Clock::SteadyTime(std::chrono::milliseconds(milliseconds));
}

TEST(RateMeterTest, KnowsNothingFromOneSample) {
  RateMeter meter;
  EXPECT_EQ(meter.PerSecond(), 0);
  meter.Add(At(0), 10);
  EXPECT_EQ(meter.PerSecond(), 0);
  EXPECT_FALSE(meter.TimeTo(100).has_value());
}

TEST(RateMeterTest, TellsRateAndTimeLeft) {
  RateMeter meter;
  meter.Add(At(0), 0);
  meter.Add(At(2000), 100);
  EXPECT_DOUBLE_EQ(meter.PerSecond(), 50);
  EXPECT_EQ(meter.TimeTo(200), std::chrono::milliseconds(2000));
}

TEST(RateMeterTest, ForgetsWhatIsOlderThanItsWindow) {
  RateMeter meter(std::chrono::seconds(10));
  meter.Add(At(0), 0);
  for (int second = 1; second <= 60; ++second) {
    meter.Add(At(second * 1000), second <= 30 ? 1000 : 1000 + static_cast<unsigned>(second - 30));
  }
  EXPECT_NEAR(meter.PerSecond(), 1, 0.2);
}

TEST(RateMeterTest, BeginsAnewWhenTheCounterGoesBack) {
  RateMeter meter;
  meter.Add(At(0), 1000);
  meter.Add(At(1000), 5);
  EXPECT_EQ(meter.PerSecond(), 0);
  meter.Add(At(2000), 15);
  EXPECT_DOUBLE_EQ(meter.PerSecond(), 10);
}

TEST(RateMeterTest, StandsStillWithoutATimeLeft) {
  RateMeter meter;
  meter.Add(At(0), 5);
  meter.Add(At(5000), 5);
  EXPECT_FALSE(meter.TimeTo(10).has_value());
}

}  // namespace
}  // namespace hnx::cli
