#include "worker/shard/shard_ledger.h"

#include <gtest/gtest.h>

namespace hnx::worker {
namespace {

using Standing = ShardLedger::Standing;

hyper::DriveHead Head(std::uint64_t length, int mark = 0) {
  hyper::DriveHead head;
  head.db_length = length;
  head.content_length = length * 2;
  head.content_byte_length = length * 100;
  head.db_tree_hash.bytes[0] = static_cast<std::byte>(length + 100 * static_cast<unsigned>(mark));
  return head;
}

ShardEntry Entry(const std::string& file) {
  ShardEntry entry;
  entry.file = file;
  return entry;
}

TEST(ShardLedgerTest, ADriveFromDiskIsReadOnlyUntilTheCoordinatorSpoke) {
  ShardLedger ledger(Head(5), false);
  EXPECT_EQ(ledger.standing(), Standing::kUnconfirmed);
  ledger.Recorded(Head(5));
  EXPECT_EQ(ledger.standing(), Standing::kWritable);
}

TEST(ShardLedgerTest, ADriveMadeNowIsWritableAtOnce) {
  ShardLedger ledger(Head(0), true);
  EXPECT_EQ(ledger.standing(), Standing::kWritable);
  ledger.Committed(Head(1), {Entry("a")});
  ledger.Recorded(Head(0));
  EXPECT_EQ(ledger.standing(), Standing::kWritable);
  EXPECT_EQ(ledger.EntriesAboveBase().size(), 1U);
}

// Otherwise its first report looks like that of a drive whose record was lost, and it is sealed.
TEST(ShardLedgerTest, ADriveMadeNowKnowsThatNothingOfItIsRecorded) {
  ShardLedger made_now(Head(0), true);
  made_now.Committed(Head(1), {Entry("a")});
  ASSERT_TRUE(made_now.base().has_value());
  EXPECT_TRUE(SameHead(*made_now.base(), Head(0)));
  EXPECT_FALSE(ShardLedger(Head(1), false).base().has_value());
}

TEST(ShardLedgerTest, EntriesStayUntilARecordedHeadCoversThem) {
  ShardLedger ledger(Head(0), true);
  ledger.Recorded(Head(0));
  ledger.Committed(Head(1), {Entry("a")});
  ledger.Committed(Head(3), {Entry("b"), Entry("c")});
  EXPECT_EQ(ledger.unrecorded(), 3U);
  ledger.Recorded(Head(1));
  EXPECT_EQ(ledger.unrecorded(), 2U);
  EXPECT_EQ(ledger.FindUnrecorded("a"), nullptr);
  EXPECT_NE(ledger.FindUnrecorded("b"), nullptr);
  ledger.Recorded(Head(1));
  EXPECT_EQ(ledger.unrecorded(), 2U);
  ledger.Recorded(Head(3));
  EXPECT_TRUE(ledger.EntriesAboveBase().empty());
}

TEST(ShardLedgerTest, ADriveShorterThanRecordedIsRefusedForEver) {
  ShardLedger ledger(Head(5), false);
  ledger.Recorded(Head(6));
  EXPECT_EQ(ledger.standing(), Standing::kRefused);
  ledger.Recorded(Head(5));
  EXPECT_EQ(ledger.standing(), Standing::kRefused);
}

TEST(ShardLedgerTest, AnotherTreeAtTheSameLengthIsRefused) {
  ShardLedger ledger(Head(5), false);
  ledger.Recorded(Head(5, 1));
  EXPECT_EQ(ledger.standing(), Standing::kRefused);
}

TEST(ShardLedgerTest, ATailOfAnEarlierProcessIsReadAndReported) {
  ShardLedger ledger(Head(5), false);
  ledger.Recorded(Head(3));
  EXPECT_EQ(ledger.standing(), Standing::kNeedsTail);
  ledger.SetTail({Entry("x")});
  EXPECT_EQ(ledger.standing(), Standing::kWritable);
  EXPECT_TRUE(ledger.tail_was_read());
  ledger.Recorded(Head(5));
  EXPECT_FALSE(ledger.tail_was_read());
  EXPECT_EQ(ledger.unrecorded(), 0U);
}

TEST(ShardLedgerTest, ADeletionWithoutANewHeadIsReportedOnce) {
  ShardLedger ledger(Head(5), false);
  ledger.Recorded(Head(5));
  ShardEntry gone = Entry("x");
  gone.deleted = true;
  ledger.Committed(Head(5), {gone});
  EXPECT_EQ(ledger.unrecorded(), 1U);
  ledger.Recorded(Head(5));
  EXPECT_EQ(ledger.unrecorded(), 0U);
}

TEST(ShardLedgerTest, ARefusedDriveReportsNothingMore) {
  ShardLedger ledger(Head(0), true);
  ledger.Committed(Head(1), {Entry("a")});
  ledger.Refuse("why");
  EXPECT_EQ(ledger.unrecorded(), 0U);
  EXPECT_EQ(ledger.refusal(), "why");
}

}  // namespace
}  // namespace hnx::worker
