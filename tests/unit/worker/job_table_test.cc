#include "worker/job_table.h"

#include <gtest/gtest.h>

namespace hnx::worker {
namespace {

NarUnit Unit(std::uint64_t job, std::uint32_t attempt, std::uint64_t nar) {
  const nix::Hash hash = nix::Hash::FromSha256({});
  return {{job, attempt, nar}, "http://h/n", "n",
          "/nix/store/x",      100,          {nix::Compression::kNone, hash, 100, {}, {}, {}, {}}};
}

Job MakeJob(std::uint64_t id, std::uint32_t attempt) {
  return {id, attempt, {Unit(id, attempt, 1), Unit(id, attempt, 2)}, {}};
}

class JobTableTest : public testing::Test {
 protected:
  int changes_ = 0;
  JobTable table_{[this] { ++changes_; }};
};

TEST_F(JobTableTest, BeginsWhatIsNewAndDropsWhatIsNotNamed) {
  EXPECT_EQ(table_.Reconcile({MakeJob(1, 1), MakeJob(2, 1)}).begin.size(), 2U);
  const auto changes = table_.Reconcile({MakeJob(2, 1), MakeJob(3, 1)});
  ASSERT_EQ(changes.begin.size(), 1U);
  EXPECT_EQ(changes.begin[0].job_id, 3U);
  ASSERT_EQ(changes.drop.size(), 1U);
  EXPECT_EQ(changes.drop[0].job_id, 1U);
}

TEST_F(JobTableTest, AnotherAttemptIsBegunAnew) {
  table_.Reconcile({MakeJob(1, 1)});
  const auto changes = table_.Reconcile({MakeJob(1, 2)});
  EXPECT_EQ(changes.begin.size(), 1U);
  EXPECT_EQ(changes.drop.size(), 1U);
}

// A replica that lacked the last commits was promoted, and gave the number to another job of this
// worker.
TEST_F(JobTableTest, AnotherJobUnderAKnownNumberIsBegunAnew) {
  table_.Reconcile({MakeJob(1, 1)});
  table_.OnStored({1, 1, 1});
  const Job other{1, 1, {Unit(1, 1, 3), Unit(1, 1, 4)}, {}};
  const auto changes = table_.Reconcile({other});
  ASSERT_EQ(changes.begin.size(), 1U);
  ASSERT_EQ(changes.drop.size(), 1U);
  EXPECT_EQ(table_.OutstandingUnits(), 2U);

  Job same_numbers{1, 1, {Unit(1, 1, 3)}, {}};
  same_numbers.units[0].file = "another";
  EXPECT_EQ(table_.Reconcile({same_numbers}).begin.size(), 1U);
}

TEST_F(JobTableTest, AJobThatIsPartlyDoneGoesOn) {
  table_.Reconcile({MakeJob(1, 1)});
  table_.OnStored({1, 1, 1});
  const Job rest{1, 1, {Unit(1, 1, 2)}, {}};
  const auto changes = table_.Reconcile({rest});
  EXPECT_TRUE(changes.begin.empty());
  EXPECT_TRUE(changes.drop.empty());
}

TEST_F(JobTableTest, AFailureIsReportedUntilTheJobHasGone) {
  table_.Reconcile({MakeJob(1, 1)});
  table_.OnFailed({1, 1, 2}, {ErrorCode::kNotFound, "http-404", "gone", {}});
  for (int round = 0; round < 3; ++round) {
    table_.Reconcile({MakeJob(1, 1)});
    ASSERT_EQ(table_.Report().at(0).failures.size(), 1U);
  }
  table_.Reconcile({});
  EXPECT_TRUE(table_.Report().empty());
}

TEST_F(JobTableTest, AVerdictOfAnEarlierAttemptCountsForNothing) {
  table_.Reconcile({MakeJob(1, 2)});
  table_.OnStored({1, 1, 1});
  table_.OnFailed({1, 1, 2}, {});
  table_.OnStored({9, 1, 1});
  EXPECT_EQ(table_.OutstandingUnits(), 2U);
  EXPECT_EQ(changes_, 0);
}

TEST_F(JobTableTest, WhatWasStoredAndThenLostFails) {
  table_.Reconcile({MakeJob(1, 1)});
  table_.OnStored({1, 1, 1});
  table_.OnFailed({1, 1, 1}, {ErrorCode::kUnavailable, "shard-lost", "", {}});
  EXPECT_EQ(table_.Report().at(0).failures.size(), 1U);
}

TEST_F(JobTableTest, CountsBytesWithoutAVerdict) {
  table_.Reconcile({MakeJob(1, 1)});
  EXPECT_EQ(table_.OutstandingBytes(), 200U);
  table_.OnStored({1, 1, 1});
  EXPECT_EQ(table_.OutstandingBytes(), 100U);
  EXPECT_EQ(table_.size(), 1U);
  table_.OnStored({1, 1, 2});
  EXPECT_EQ(table_.size(), 0U);
}

TEST_F(JobTableTest, CutsALongMessage) {
  table_.Reconcile({MakeJob(1, 1)});
  table_.OnFailed({1, 1, 1}, {ErrorCode::kUnknown, "r", std::string(100'000, 'x'), {}});
  EXPECT_EQ(table_.Report().at(0).failures.at(0).second.message.size(), kFailureMessageBytesMax);
}

}  // namespace
}  // namespace hnx::worker
