// What all streams together may ask for ahead of their readers.
#include "hyper/node/read_ahead_budget.h"

#include <gtest/gtest.h>

namespace hnx::hyper {
namespace {

TEST(ReadAheadBudgetTest, OneStreamMayTakeAll) {
  ReadAheadBudget budget(100);
  budget.Enter();
  EXPECT_TRUE(budget.Take(60, 0));
  EXPECT_TRUE(budget.Take(40, 60));
  EXPECT_FALSE(budget.Take(1, 100));
  budget.Give(100);
  EXPECT_TRUE(budget.Take(100, 0));
}

TEST(ReadAheadBudgetTest, EachOfSeveralHasItsShareAndNoMore) {
  ReadAheadBudget budget(100);
  for (int stream = 0; stream < 4; ++stream) {
    budget.Enter();
  }
  EXPECT_TRUE(budget.Take(25, 0));
  EXPECT_FALSE(budget.Take(1, 25));
  EXPECT_TRUE(budget.Take(25, 0));
  budget.Leave();
  budget.Leave();
  EXPECT_TRUE(budget.Take(25, 25));
}

TEST(ReadAheadBudgetTest, WhatIsTakenIsNeverMoreThanTheLimit) {
  ReadAheadBudget budget(100);
  budget.Enter();
  ASSERT_TRUE(budget.Take(90, 0));
  // A second one: its share is free on paper only.
  budget.Enter();
  EXPECT_FALSE(budget.Take(50, 0));
  EXPECT_TRUE(budget.Take(10, 0));
  EXPECT_EQ(budget.taken(), 100U);
}

}  // namespace
}  // namespace hnx::hyper
