#include "coordinator/domain/host_share.h"

#include <map>
#include <random>

#include <gtest/gtest.h>

namespace hnx::coordinator {
namespace {

constexpr HostLimits kLimits{
    .bytes_per_second = 1'000, .requests_per_second = 10, .transfers_max = 8};

TEST(HostShareTest, TheOnlyUserGetsEverything) {
  const HostShare share = ShareOut(kLimits, {});
  EXPECT_EQ(share.bytes_per_second, 1'000U);
  EXPECT_EQ(share.requests_per_second, 10);
  EXPECT_EQ(share.transfers, 8U);
}

TEST(HostShareTest, ANewcomerGetsNothingThatOthersMayStillBeUsing) {
  const HostShare share = ShareOut(
      kLimits, {.holders = 1,
                .held = {.bytes_per_second = 1'000, .requests_per_second = 10, .transfers = 8}});
  EXPECT_EQ(share.bytes_per_second, 0U);
  EXPECT_EQ(share.requests_per_second, 0);
  EXPECT_EQ(share.transfers, 0U);
}

TEST(HostShareTest, TransfersComeWholeAndNeverMoreThanThereAre) {
  const HostLimits one{.transfers_max = 1};
  EXPECT_EQ(ShareOut(one, {.holders = 3, .held = {}}).transfers, 1U);
  EXPECT_EQ(ShareOut(one, {.holders = 3, .held = {.transfers = 1}}).transfers, 0U);
}

TEST(HostShareTest, WhatIsNotLimitedIsNotShared) {
  const HostShare share = ShareOut({}, {.holders = 3, .held = {}});
  EXPECT_EQ(share.bytes_per_second, 0U);
  EXPECT_EQ(share.transfers, 0U);
  EXPECT_FALSE(HostLimits{}.any());
}

// Users come, go and lose answers; what they use together is never more than the limit, and those
// that stay get an even part within a few rounds.
TEST(HostShareTest, TheSumNeverExceedsTheLimitWhateverGetsLost) {
  std::mt19937_64 random(7);
  const auto below = [&](int limit) {
    return std::uniform_int_distribution<int>(0, limit - 1)(random);
  };
  struct User {
    HostShare in_force;  // what the user really uses
    HostShare held;      // what the coordinator thinks it may use
  };
  std::map<int, User> users;
  const auto claim = [&](int id, bool answer_is_lost) {
    User& user = users[id];
    OtherShares others;
    for (const auto& [other, state] : users) {
      if (other != id) {
        ++others.holders;
        others.held.bytes_per_second += state.held.bytes_per_second;
        others.held.requests_per_second += state.held.requests_per_second;
        others.held.transfers += state.held.transfers;
      }
    }
    const HostShare share = ShareOut(kLimits, others);
    user.held = LargerOf(share, user.in_force);
    if (!answer_is_lost) {
      user.in_force = share;
    }
    double bytes = 0;
    double requests = 0;
    std::uint32_t transfers = 0;
    for (const auto& [other, state] : users) {
      bytes += static_cast<double>(state.in_force.bytes_per_second);
      requests += state.in_force.requests_per_second;
      transfers += state.in_force.transfers;
    }
    ASSERT_LE(bytes, 1'000);
    ASSERT_LE(requests, 10 + 1e-9);
    ASSERT_LE(transfers, 8U);
  };
  for (int step = 0; step < 2'000; ++step) {
    const int id = below(6);
    if (below(20) == 0) {
      users.erase(id);
    } else {
      claim(id, below(5) == 0);
    }
  }
  users.clear();
  for (int round = 0; round < 3; ++round) {
    for (int id = 0; id < 4; ++id) {
      claim(id, false);
    }
  }
  for (const auto& [id, user] : users) {
    EXPECT_EQ(user.in_force.bytes_per_second, 250U) << "user " << id;
    EXPECT_EQ(user.in_force.transfers, 2U) << "user " << id;
  }
}

}  // namespace
}  // namespace hnx::coordinator
