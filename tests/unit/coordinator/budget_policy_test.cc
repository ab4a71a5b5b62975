#include "coordinator/domain/budget_policy.h"

#include <cmath>

#include <gtest/gtest.h>

namespace hnx::coordinator {
namespace {

constexpr std::chrono::hours kWeek(24 * 7);

TEST(BudgetPolicy, WhatIsPinnedIsWorthMoreThanAnything) {
  EXPECT_TRUE(std::isinf(OwnValue({.pinned = true, .age = 1000 * kWeek})));
  EXPECT_GT(OwnValue({.pinned = true}), OwnValue({.hits = 1e18, .stored = true}));
}

TEST(BudgetPolicy, AgeTakesAPointAWeekAndEveryDoublingOfHitsGivesOne) {
  EXPECT_DOUBLE_EQ(OwnValue({}), 0);
  EXPECT_DOUBLE_EQ(OwnValue({.age = 3 * kWeek}), -3);
  EXPECT_DOUBLE_EQ(OwnValue({.hits = 7}), 3);
  EXPECT_DOUBLE_EQ(OwnValue({.hits = 7, .age = kWeek}), 2);
}

TEST(BudgetPolicy, HitsAreWorthHalfAHalfLifeLater) {
  EXPECT_DOUBLE_EQ(OwnValue({.hits = 6, .since_hits = kHitHalfLife}), 2);
  EXPECT_NEAR(OwnValue({.hits = 6, .since_hits = 60 * kHitHalfLife}), 0, 1e-9);
}

TEST(BudgetPolicy, WhatIsStoredIsWorthALittleMoreAndLessThanTwoHits) {
  EXPECT_GT(OwnValue({.stored = true}), OwnValue({}));
  EXPECT_LT(OwnValue({.stored = true}), OwnValue({.hits = 2}));
}

}  // namespace
}  // namespace hnx::coordinator
