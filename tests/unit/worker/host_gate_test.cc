#include "worker/limits/host_gate.h"

#include <gtest/gtest.h>

namespace hnx::worker {
namespace {

using std::chrono::milliseconds;

class HostGateTest : public testing::Test {
 protected:
  void Apply(HostLimit limit) {
    limit.host = "h";
    if (limit.valid.count() == 0) {
      limit.valid = milliseconds(10'000);
    }
    gate_.Apply(limit, clock_.Steady());
  }
  int StartAll(int most) {
    int started = 0;
    while (started < most && gate_.MayStart()) {
      gate_.OnStarted();
      ++started;
    }
    return started;
  }
  static http::HttpFailure Throttled(std::optional<milliseconds> retry_after = {}) {
    http::HttpFailure failure;
    failure.code = ErrorCode::kUnavailable;
    failure.reason = http::HttpReason::kThrottled;
    failure.retry_after = retry_after;
    return failure;
  }

  FakeClock clock_;
  HostGate gate_{clock_, 16};
};

TEST_F(HostGateTest, WithoutALimitOnlyTheWindowHoldsBack) {
  EXPECT_EQ(StartAll(100), 16);
  gate_.OnBytes(1'000'000'000);
  EXPECT_TRUE(gate_.MayRead());
  EXPECT_FALSE(gate_.limited());
}

TEST_F(HostGateTest, RequestsGoOutAtTheRateAndNoFaster) {
  Apply({.limits_requests = true, .requests_per_second = 4});
  int sent = 0;
  for (int tick = 0; tick < 1'000; ++tick) {
    while (gate_.MayStart()) {
      gate_.OnStarted();
      gate_.OnEnded(0, nullptr);
      ++sent;
    }
    clock_.Advance(milliseconds(10));
    Apply({.limits_requests = true, .requests_per_second = 4});
  }
  EXPECT_GE(sent, 38);
  EXPECT_LE(sent, 42) << "in 10 s";
}

TEST_F(HostGateTest, BytesBeyondTheRateStopReadingUntilTheyArePaidFor) {
  Apply({.limits_bytes = true, .bytes_per_second = 1'000});
  gate_.OnBytes(3'000);
  EXPECT_FALSE(gate_.MayRead());
  EXPECT_FALSE(gate_.MayStart());
  clock_.Advance(milliseconds(2'000));
  EXPECT_FALSE(gate_.MayRead());
  clock_.Advance(milliseconds(1'100));
  EXPECT_TRUE(gate_.MayRead());
}

TEST_F(HostGateTest, AShareOfNothingAllowsNothing) {
  Apply({.limits_bytes = true, .bytes_per_second = 0});
  EXPECT_FALSE(gate_.MayStart());
  EXPECT_FALSE(gate_.MayRead());
  EXPECT_FALSE(gate_.Wait().has_value());
  Apply({.limits_requests = true, .requests_per_second = 0});
  EXPECT_FALSE(gate_.MayStart());
  Apply({.limits_requests = true, .requests_per_second = 1});
  EXPECT_TRUE(gate_.MayStart());
}

TEST_F(HostGateTest, AShareThatIsNotGivenAnewEnds) {
  Apply({.limits_bytes = true, .bytes_per_second = 1'000, .valid = milliseconds(500)});
  EXPECT_TRUE(gate_.MayStart());
  clock_.Advance(milliseconds(500));
  EXPECT_FALSE(gate_.MayStart());
  EXPECT_FALSE(gate_.MayRead());
}

TEST_F(HostGateTest, APauseEndsByItselfAndIsNotShortened) {
  Apply({.pause = milliseconds(5'000), .valid = milliseconds(60'000)});
  EXPECT_FALSE(gate_.MayStart());
  EXPECT_TRUE(gate_.MayRead()) << "what runs goes on";
  Apply({.pause = milliseconds(100), .valid = milliseconds(60'000)});
  clock_.Advance(milliseconds(4'999));
  EXPECT_FALSE(gate_.MayStart());
  clock_.Advance(milliseconds(1));
  EXPECT_TRUE(gate_.MayStart());
}

TEST_F(HostGateTest, OwnRetryAfterPausesAtOnce) {
  gate_.OnStarted();
  const auto failure = Throttled(milliseconds(3'000));
  gate_.OnEnded(0, &failure);
  EXPECT_FALSE(gate_.MayStart());
  EXPECT_EQ(gate_.Wait(), milliseconds(3'000));
  clock_.Advance(milliseconds(3'000));
  EXPECT_TRUE(gate_.MayStart());
}

TEST_F(HostGateTest, TheWindowHalvesOnceAWaveAndGrowsAgain) {
  const auto failure = Throttled();
  ASSERT_EQ(StartAll(100), 16);
  for (int i = 0; i < 16; ++i) {
    gate_.OnEnded(0, &failure);
  }
  EXPECT_EQ(gate_.window(), 8U) << "one wave of failures says one thing";
  ASSERT_EQ(StartAll(100), 8);
  for (int i = 0; i < 8; ++i) {
    gate_.OnEnded(0, &failure);
  }
  EXPECT_EQ(gate_.window(), 4U);
  for (int i = 0; i < 5; ++i) {
    gate_.OnStarted();
    gate_.OnEnded(0, nullptr);
  }
  EXPECT_EQ(gate_.window(), 5U) << "a window of successes widens it by one";
  for (int i = 0; i < 1'000; ++i) {
    gate_.OnStarted();
    gate_.OnEnded(0, nullptr);
  }
  EXPECT_EQ(gate_.window(), 16U);
}

TEST_F(HostGateTest, TheWindowNeverCloses) {
  const auto failure = Throttled();
  for (int i = 0; i < 20; ++i) {
    gate_.OnStarted();
    gate_.OnEnded(0, &failure);
  }
  EXPECT_EQ(gate_.window(), 1U);
  EXPECT_TRUE(gate_.MayStart());
}

TEST_F(HostGateTest, TransfersAtOnceAreCapped) {
  Apply({.transfers_max = 3});
  EXPECT_EQ(StartAll(100), 3);
  gate_.OnEnded(0, nullptr);
  EXPECT_EQ(StartAll(100), 1);
}

TEST_F(HostGateTest, AHostIsNamedAsTheCoordinatorNamesIt) {
  EXPECT_EQ(HostOfUrl("https://Cache.NixOS.org/nar/x"), "cache.nixos.org");
  EXPECT_EQ(HostOfUrl("http://127.0.0.1:80/"), "127.0.0.1:80");
  EXPECT_EQ(HostOfUrl("file:///srv/x"), "");
}

}  // namespace
}  // namespace hnx::worker
