#include "worker/scrub/scrub_pace.h"

#include <gtest/gtest.h>

namespace hnx::worker {
namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t kRate = std::uint64_t{1} << 20;

TEST(ScrubPaceTest, ReadsNoFasterThanItMay) {
  FakeClock clock;
  milliseconds slept{0};
  ScrubPace pace(clock, kRate, [&](milliseconds time) {
    clock.Advance(time);
    slept += time;
    return true;
  });
  constexpr std::uint64_t kBytes = 60 * kRate;
  for (std::uint64_t read = 0; read < kBytes; read += 64 << 10) {
    ASSERT_TRUE(pace.Spend(64 << 10).has_value());
  }
  // All but what may be read at once.
  const auto wanted = milliseconds((kBytes - kScrubBurstBytes) * 1000 / kRate);
  EXPECT_GE(slept, wanted - milliseconds(100));
  EXPECT_LE(slept, wanted + milliseconds(1000));
}

TEST(ScrubPaceTest, APieceThatIsLargerThanAllItMayReadAtOnceWaitsLonger) {
  FakeClock clock;
  milliseconds slept{0};
  ScrubPace pace(clock, kRate, [&](milliseconds time) {
    clock.Advance(time);
    slept += time;
    return true;
  });
  ASSERT_TRUE(pace.Spend(11 * kRate).has_value());
  EXPECT_GE(slept, milliseconds(9'900));
}

TEST(ScrubPaceTest, AStopEndsTheWait) {
  FakeClock clock;
  ScrubPace pace(clock, 1, [](milliseconds) { return false; });
  const auto spent = pace.Spend(kScrubBurstBytes + 1000);
  ASSERT_FALSE(spent.has_value());
  EXPECT_EQ(spent.error().code, ErrorCode::kCancelled);
}

TEST(ScrubPaceTest, NothingIsReadAfterAStop) {
  ScrubPace pace(Clock::Real(), kRate);
  pace.Cancel();
  EXPECT_FALSE(pace.Spend(1).has_value());
  EXPECT_FALSE(pace.Pause(std::chrono::hours(1)).has_value());
}

}  // namespace
}  // namespace hnx::worker
