// An index that is longer than the database knows: the database came back from an older copy, or is
// a new one. What was published stays, and nothing is ever written beside it.
#include <cstdlib>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/hex.h"
#include "store_rig.h"
#include "support/postgres_fixture.h"

namespace hnx::test {
namespace {

using coordinator::DriveHead;
using coordinator::IndexStanding;
using coordinator::WorkerReport;

class IndexRecoveryTest : public testing::Test {
 protected:
  static void Work(StoreRig& rig, FakeWorker& worker, FakeIndex& index) {
    for (int i = 0; i < 12; ++i) {
      ASSERT_TRUE(worker.Call().has_value());
      worker.Work(100);
      rig.Background();
      index.Step();
    }
  }
  void Work() { Work(rig_, worker_, index_); }

  // A new database with what is in this one now.
  static std::string Dump(const StoreRig& rig) {
    std::string copy = PostgresFixture::Get().NewDatabase();
    const std::string command = fmt::format(
        "pg_dump --clean --if-exists '{}' | psql --quiet --set ON_ERROR_STOP=1 '{}' >/dev/null",
        rig.uri, copy);
    EXPECT_EQ(std::system(command.c_str()), 0) << command;  // NOLINT(cert-env33-c): own words
    return copy;
  }
  static Error Refusal(StoreRig& rig, const WorkerReport& report) {
    const auto answer = rig.synchronizer->Synchronize(report);
    EXPECT_FALSE(answer.has_value()) << "it should have been refused";
    return answer.has_value() ? Error{} : answer.error();
  }
  // The recorded head of the index, lengths only.
  static std::string Recorded(const StoreRig& rig) {
    return Sql(rig.uri, "SELECT db_length || ' ' || content_length FROM mirror");
  }
  static std::string LengthsOf(const DriveHead& head) {
    return fmt::format("{} {}", head.db_length, head.content_length);
  }
  // What the index says of its mirror, as a worker reads it.
  void SayWhatIsPublished(std::int64_t submitted_at_ms = 0) {
    index_.published.shards = {{.key = worker_.key,
                                .content_key = Bytes(32),
                                .db_length = worker_.head.db_length,
                                .content_byte_length = worker_.head.content_byte_length}};
    index_.published.channels = {
        {.channel = "paths", .latest = "r2", .submitted_at_ms = submitted_at_ms}};
  }

  FakeUpstream upstream_{{.references = {}}, {.references = {0}}, {.references = {0, 1}}};
  FakeUpstream grown_{{.references = {}},
                      {.references = {0}},
                      {.references = {0, 1}},
                      {.references = {2}},
                      {.references = {3, 1}}};
  StoreRig rig_{PostgresFixture::Get().NewDatabase()};
  FakeWorker worker_{rig_, 1, grown_};
  FakeIndex index_{rig_, grown_};
};

TEST_F(IndexRecoveryTest, ADatabaseFromAnOlderCopyTakesTheLongerIndexOverAndGoesOnFromIt) {
  rig_.Submit(upstream_);
  Work();
  const std::string older = Dump(rig_);
  const std::string recorded_then = Recorded(rig_);
  rig_.Submit(grown_, "more");
  Work();
  ASSERT_TRUE(index_.Publishes(4));
  const DriveHead published = index_.head;

  StoreRig restored(older);
  index_.MoveTo(restored);
  SayWhatIsPublished();
  index_.Step();
  EXPECT_EQ(Recorded(restored), recorded_then) << "first the worker hears what is recorded";
  index_.Step();
  EXPECT_EQ(Recorded(restored), LengthsOf(published));
  EXPECT_TRUE(index_.head.SameAs(published));

  FakeWorker another(restored, 2, grown_);
  const auto release = restored.Submit(grown_, "more");
  Work(restored, another, index_);
  EXPECT_EQ(restored.View(release).state, "settled");
  EXPECT_TRUE(published.ShorterThan(index_.head)) << "it grew from there";
  EXPECT_EQ(Recorded(restored), LengthsOf(index_.head));
  EXPECT_NE(index_.File("/mirror.json").find(EncodeHex(worker_.key)), std::string::npos)
      << "the shard that only the index knew of stays in it: " << index_.File("/mirror.json");
}

// A replica that lacked the last commits was promoted: they held the next batch, which the index
// worker has appended and not reported. Under the same number another one is planned.
TEST_F(IndexRecoveryTest, ABatchThatTheDatabaseLostIsNotTakenForTheOneThatIsPlannedInItsPlace) {
  rig_.Submit(upstream_);
  Work();
  StoreRig promoted(Dump(rig_));
  FakeWorker another(promoted, 2, grown_);
  promoted.Submit(grown_, "more");
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE(another.Call().has_value());
    another.Work(100);
    promoted.Background();
  }
  WorkerReport report = index_.Report();
  auto& drive = report.drives[0];
  drive.base = index_.head;
  drive.head.db_length += 3;
  drive.head.content_length += 3;
  drive.head.db_tree_hash[0] ^= std::byte{1};
  drive.head.content_tree_hash[0] ^= std::byte{1};
  drive.publish_batch = std::stoull(Sql(promoted.uri, "SELECT published_batch + 1 FROM mirror"));
  drive.publish_plan = 1;
  const std::string before = Recorded(promoted);
  const auto answer = promoted.synchronizer->Synchronize(report);
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(Recorded(promoted), before);
  EXPECT_TRUE(answer->drives.at(0).cut_tail);
  ASSERT_TRUE(answer->publish.has_value()) << "it is told what to append instead";
  EXPECT_NE(answer->publish->plan, 1U);

  drive.publish_plan = answer->publish->plan;
  ++report.sequence;
  ASSERT_TRUE(promoted.synchronizer->Synchronize(report).has_value());
  EXPECT_EQ(Recorded(promoted), LengthsOf(drive.head)) << "the one that is planned is accepted";
}

TEST_F(IndexRecoveryTest, BatchesThatWerePlannedByOlderKnowledgeDoNotTakeTheMirrorBack) {
  rig_.Submit(upstream_);
  Work();
  const std::string older = Dump(rig_);
  rig_.Submit(grown_, "more");
  Work();

  StoreRig restored(older);
  FakeWorker another(restored, 2, grown_);
  restored.Submit(grown_, "paths-of-old");  // planned before the index comes back
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE(another.Call().has_value());
    another.Work(100);
    restored.Background();
  }
  ASSERT_GT(std::stoi(Sql(older,
                          "SELECT max(batch) - (SELECT published_batch FROM mirror) "
                          "FROM publish_batch")),
            0);
  index_.MoveTo(restored);
  SayWhatIsPublished();
  for (int i = 0; i < 12; ++i) {
    index_.Step();
    const std::string mirror = index_.File("/mirror.json");
    EXPECT_NE(mirror.find(EncodeHex(worker_.key)), std::string::npos) << "after step " << i;
    restored.Background();
  }
  EXPECT_EQ(Recorded(restored), LengthsOf(index_.head));
  EXPECT_NE(index_.File("/mirror.json").find(EncodeHex(another.key)), std::string::npos);
}

TEST_F(IndexRecoveryTest, ALatestThatIsNewerThanTheDatabaseStaysUntilALaterReleaseComes) {
  rig_.Submit(upstream_);
  for (int i = 0; i < 6; ++i) {
    index_.Step();
  }
  const std::string older = Dump(rig_);  // submitted, not settled
  Work();
  ASSERT_EQ(index_.File("/channels/paths/latest"), "r1\n");

  StoreRig restored(older);
  index_.MoveTo(restored);
  const std::int64_t later =
      std::stoll(Sql(older, "SELECT (extract(epoch FROM now()) * 1000)::bigint + 1000"));
  SayWhatIsPublished(later);  // "r2" was submitted a second from now
  FakeWorker another(restored, 2, grown_);
  Work(restored, another, index_);
  EXPECT_EQ(Sql(older, "SELECT state FROM release"), "settled");
  EXPECT_EQ(Sql(older, "SELECT is_latest FROM release"), "f") << "r2 stays the latest";
  Sql(older, "UPDATE adopted_latest SET submitted_at = now() - interval '1 hour' RETURNING 1");
  Sql(older, "UPDATE release SET settle_changes = settle_changes - 1 RETURNING 1");  // once more
  Work(restored, another, index_);
  EXPECT_EQ(Sql(older, "SELECT is_latest FROM release"), "t");
  EXPECT_EQ(Sql(older, "SELECT count(*) FROM adopted_latest"), "0");
}

TEST_F(IndexRecoveryTest, WhatWasTakenOverIsNotBuiltFromTheLog) {
  rig_.Submit(upstream_);
  Work();
  const std::string older = Dump(rig_);
  rig_.Submit(grown_, "more");
  Work();
  StoreRig restored(older);
  index_.MoveTo(restored);
  SayWhatIsPublished();
  index_.Step();
  index_.Step();
  index_.RestoreVolume(1);
  const Error error = Refusal(restored, index_.Report());
  EXPECT_EQ(error.code, ErrorCode::kFailedPrecondition);
  EXPECT_NE(error.message.find("--index-holder"), std::string::npos) << error.message;
}

TEST_F(IndexRecoveryTest, ALostDriveWithAnOlderDatabaseIsRefusedUntilAHolderGivesItBack) {
  rig_.Submit(upstream_);
  Work();
  const std::string older = Dump(rig_);
  rig_.Submit(grown_, "more");
  Work();
  StoreRig restored(older);
  index_.MoveTo(restored);
  index_.RestoreVolume(1);  // and it was accepted at the greater lengths
  const Error error = Refusal(restored, index_.Report());
  EXPECT_EQ(error.code, ErrorCode::kFailedPrecondition);
  EXPECT_NE(error.message.find("--index-holder"), std::string::npos) << error.message;
}

TEST_F(IndexRecoveryTest, AnotherHistoryThanTheRecordedOneIsNeverTakenOver) {
  rig_.Submit(upstream_);
  Work();
  WorkerReport report = index_.Report();
  report.drives[0].index.known_db_length = index_.head.db_length;
  report.drives[0].index.known_content_length = index_.head.content_length + 1;
  report.drives[0].head.content_length += 1;
  report.drives[0].head.db_tree_hash[0] ^= std::byte{1};
  report.drives[0].publish_batch = 0;
  report.drives[0].index.published.emplace();
  const std::string before = Recorded(rig_);
  EXPECT_EQ(Refusal(rig_, report).code, ErrorCode::kFailedPrecondition);
  EXPECT_EQ(Recorded(rig_), before);
}

TEST_F(IndexRecoveryTest, OnlyWhoSawTheRecordedHeadMovesIt) {
  rig_.Submit(upstream_);
  Work();
  const std::string older = Dump(rig_);
  rig_.Submit(grown_, "more");
  Work();
  StoreRig restored(older);
  index_.MoveTo(restored);
  WorkerReport report = index_.Report();
  report.drives[0].base = index_.head;  // what another database had recorded
  report.drives[0].index.published.emplace();
  const std::string before = Recorded(restored);
  const auto answer = restored.synchronizer->Synchronize(report);
  ASSERT_TRUE(answer.has_value());
  EXPECT_FALSE(answer->publish.has_value());
  EXPECT_EQ(Recorded(restored), before);
}

TEST_F(IndexRecoveryTest, ANewDatabaseTakesAFilledIndexOnTheOperatorsWordAlone) {
  rig_.Submit(upstream_);
  Work();
  const DriveHead published = index_.head;
  StoreRig fresh(PostgresFixture::Get().NewDatabase());
  index_.MoveTo(fresh);
  SayWhatIsPublished();
  for (const std::optional<std::uint64_t> word :
       {std::optional<std::uint64_t>(), std::optional(published.db_length - 1),
        std::optional(published.db_length + 1)}) {
    index_.standing.accept_length = word;
    const Error error = Refusal(fresh, index_.Report());
    EXPECT_EQ(error.code, ErrorCode::kFailedPrecondition);
    EXPECT_NE(error.message.find(fmt::format("--accept-length {}", published.db_length)),
              std::string::npos)
        << error.message;
  }
  EXPECT_EQ(Recorded(fresh), "0 0");
  index_.standing.accept_length = published.db_length;
  index_.Step();
  index_.Step();
  EXPECT_EQ(Recorded(fresh), LengthsOf(published));

  FakeWorker another(fresh, 2, grown_);
  const auto release = fresh.Submit(grown_, "all");
  Work(fresh, another, index_);
  EXPECT_EQ(fresh.View(release).state, "settled");
  EXPECT_TRUE(published.ShorterThan(index_.head));
}

TEST_F(IndexRecoveryTest, ANewDatabaseBeginsNoEmptyIndexAgainstTheOperatorsWord) {
  index_.standing.accept_length = 40;
  const Error error = Refusal(rig_, index_.Report());
  EXPECT_EQ(error.code, ErrorCode::kFailedPrecondition);
  EXPECT_NE(error.message.find("--index-holder"), std::string::npos) << error.message;
  index_.standing.accept_length = 0;
  EXPECT_TRUE(rig_.synchronizer->Synchronize(index_.Report()).has_value());
}

TEST_F(IndexRecoveryTest, WhatHoldersHaveIsRememberedAndNeverMoreThanWasPublished) {
  rig_.Submit(upstream_);
  Work();
  const auto acknowledged = [&] {
    return Sql(rig_.uri,
               "SELECT acknowledged_db_length || ' ' || acknowledged_content_length FROM mirror");
  };
  EXPECT_EQ(acknowledged(), "0 0");
  index_.standing.acknowledged_db_length = 2;
  index_.standing.acknowledged_content_length = 1;
  index_.Step();
  EXPECT_EQ(acknowledged(), "2 1");
  index_.standing.acknowledged_db_length = 1;
  index_.Step();
  EXPECT_EQ(acknowledged(), "2 1") << "a holder that went away had it all the same";
  index_.standing.acknowledged_db_length = 1000;
  index_.standing.acknowledged_content_length = 1000;
  index_.Step();
  EXPECT_EQ(acknowledged(), LengthsOf(index_.head));
}

TEST_F(IndexRecoveryTest, ANewMirrorNamesTheOneThatItReplaces) {
  index_.standing.predecessor = Bytes(32, std::byte{0xab});
  rig_.Submit(upstream_);
  Work();
  std::string key;
  for (int i = 0; i < 32; ++i) {
    key += "ab";
  }
  EXPECT_NE(index_.File("/mirror.json").find("\"predecessor\": \"" + key + "\""), std::string::npos)
      << index_.File("/mirror.json");
}

TEST_F(IndexRecoveryTest, AWriterThatSaidThatItLeavesIsReplacedAtOnce) {
  index_.Step();
  FakeIndex other(rig_, grown_);
  other.worker_id = std::string(32, 'e');
  EXPECT_EQ(Refusal(rig_, other.Report()).code, ErrorCode::kFailedPrecondition) << "it is alive";
  index_.draining = true;
  index_.Step();
  EXPECT_TRUE(rig_.synchronizer->Synchronize(other.Report()).has_value());
}

}  // namespace
}  // namespace hnx::test
