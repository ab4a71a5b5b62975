// Scrubs: who is to go through what, how that stands, and what a shard's files must be.
#include <algorithm>

#include <gtest/gtest.h>

#include "base/hex.h"
#include "coordinator/store/pg_scrub_store.h"
#include "mirror/format/publish_format.h"
#include "store_rig.h"
#include "support/postgres_fixture.h"

namespace hnx::test {
namespace {

using coordinator::DriveScrubReport;
using coordinator::ScrubReport;
using coordinator::ScrubView;

class ScrubStoreTest : public testing::Test {
 protected:
  void Mirror() {
    release_ = rig_.Submit(upstream_);
    rig_.Background();
    worker_.WorkOff();
    index_.PublishAll();
    ASSERT_EQ(rig_.View(release_).state, "settled");
  }
  DriveScrubReport OfShard(std::uint64_t ask, bool whole) {
    DriveScrubReport drive;
    drive.key = worker_.key;
    drive.kind = "shard";
    drive.ask = ask;
    drive.whole = whole;
    drive.counts = {.blocks = 7,
                    .nars = 3,
                    .bytes = 900,
                    .bytes_total = 900,
                    .damaged = 2,
                    .repaired = 1,
                    .given_up = 1};
    return drive;
  }
  ScrubReport Says(std::vector<DriveScrubReport> drives) {
    return {.worker_id = worker_.Report().worker_id,
            .incarnation = static_cast<std::int64_t>(worker_.incarnation),
            .drives = std::move(drives)};
  }
  std::vector<coordinator::ScrubOrder> Report(std::vector<DriveScrubReport> drives) {
    const auto orders = scrubs_.Report(Says(std::move(drives)));
    EXPECT_TRUE(orders.has_value()) << orders.error().message;
    return *orders;
  }
  ScrubView View(bool now = false) {
    const auto drives = scrubs_.Scrub(EncodeHex(worker_.key), now);
    EXPECT_TRUE(drives.has_value()) << drives.error().message;
    EXPECT_EQ(drives->size(), 1U);
    return drives->front();
  }

  FakeUpstream upstream_{{.references = {}}, {.references = {0}}, {.references = {0, 1}}};
  StoreRig rig_{PostgresFixture::Get().NewDatabase()};
  FakeWorker worker_{rig_, 1, upstream_};
  FakeIndex index_{rig_, upstream_};
  coordinator::PgScrubStore scrubs_{*rig_.pool};
  coordinator::ReleaseId release_ = 0;
};

TEST_F(ScrubStoreTest, WhatIsAskedForIsOrderedUntilAWholeRoundCameAfterIt) {
  Mirror();
  EXPECT_TRUE(Report({}).empty());
  EXPECT_FALSE(View().waits);
  EXPECT_TRUE(View(true).waits);
  auto orders = Report({});
  ASSERT_EQ(orders.size(), 1U);
  EXPECT_EQ(orders[0].key, worker_.key);
  EXPECT_EQ(orders[0].ask, 1U);
  // A round that had begun before does not answer, and neither does half a round.
  EXPECT_EQ(Report({OfShard(0, true)}).size(), 1U);
  EXPECT_EQ(Report({OfShard(1, false)}).size(), 1U);
  EXPECT_TRUE(View().running);
  EXPECT_TRUE(View(true).waits);
  EXPECT_EQ(Report({OfShard(1, true)})[0].ask, 2U);
  EXPECT_TRUE(View().waits);
  EXPECT_TRUE(Report({OfShard(2, true)}).empty());
  const ScrubView view = View();
  EXPECT_FALSE(view.waits);
  EXPECT_FALSE(view.running);
  EXPECT_GT(view.whole_at_ms, 0);
  EXPECT_EQ(view.counts.blocks, 7U);
  EXPECT_EQ(view.counts.repaired, 1U);
}

TEST_F(ScrubStoreTest, ARoundThatAnotherDatabaseAskedForAnswersNothing) {
  Mirror();
  EXPECT_TRUE(Report({OfShard(5, true)}).empty());
  EXPECT_TRUE(View(true).waits);
  EXPECT_EQ(Report({OfShard(9, true)}).size(), 1U);
  EXPECT_TRUE(View().waits);
  EXPECT_TRUE(Report({OfShard(Report({})[0].ask, true)}).empty());
  EXPECT_FALSE(View().waits);
}

TEST_F(ScrubStoreTest, AWorkerThatScrubsNothingOrDoesNotCallIsSaidToHinderIt) {
  Mirror();
  EXPECT_EQ(View(true).hindrance, "");
  auto report = worker_.Report();
  report.scrubs_nothing = true;
  ASSERT_TRUE(rig_.synchronizer->Synchronize(report).has_value());
  EXPECT_EQ(View().hindrance, "off");
  EXPECT_TRUE(View().waits);
  Sql(rig_.uri, "UPDATE worker SET last_seen = last_seen - interval '1 hour' WHERE id = '" +
                    report.worker_id + "'");
  EXPECT_EQ(View().hindrance, "silent");
  ASSERT_TRUE(rig_.synchronizer->Synchronize(worker_.Report()).has_value());
  EXPECT_EQ(View().hindrance, "");
}

TEST_F(ScrubStoreTest, StatusTellsOfAShardsLastScrub) {
  Mirror();
  EXPECT_FALSE(rig_.releases->GetStatus()->shards[0].scrub.has_value());
  Report({OfShard(0, true)});
  const auto status = rig_.releases->GetStatus();
  ASSERT_TRUE(status.has_value());
  ASSERT_TRUE(status->shards[0].scrub.has_value());
  EXPECT_EQ(status->shards[0].scrub->counts.given_up, 1U);
}

TEST_F(ScrubStoreTest, EverythingOnAWorkerIsFoundByItsNameAndNothingByAWrongOne) {
  Mirror();
  const auto all = scrubs_.Scrub("", false);
  ASSERT_TRUE(all.has_value());
  EXPECT_EQ(std::count_if(all->begin(), all->end(),
                          [](const ScrubView& drive) { return drive.kind == "shard"; }),
            1);
  EXPECT_EQ(std::count_if(all->begin(), all->end(),
                          [](const ScrubView& drive) { return drive.kind == "index"; }),
            1);
  EXPECT_EQ(scrubs_.Scrub(worker_.Report().worker_name, false)->size(), 1U);
  EXPECT_EQ(scrubs_.Scrub(mirror::DriveIdOf(worker_.key), false)->size(), 1U);
  const auto nobody = scrubs_.Scrub("nobody", true);
  ASSERT_FALSE(nobody.has_value());
  EXPECT_EQ(nobody.error().code, ErrorCode::kNotFound);
}

TEST_F(ScrubStoreTest, AnOlderProcessOfAWorkerAndAnUnknownOneAreTurnedAway) {
  Mirror();
  ScrubReport report = Says({OfShard(0, true)});
  --report.incarnation;
  EXPECT_EQ(scrubs_.Report(report).error().code, ErrorCode::kAborted);
  report.worker_id = std::string(32, '0');
  EXPECT_EQ(scrubs_.Report(report).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(View().whole_at_ms, 0);
}

TEST_F(ScrubStoreTest, TheFilesOfAShardAreListedInPages) {
  Mirror();
  const std::string worker = worker_.Report().worker_id;
  const auto first = scrubs_.ListFiles(worker, worker_.key, "", {}, 2);
  ASSERT_TRUE(first.has_value()) << first.error().message;
  ASSERT_EQ(first->files.size(), 2U);
  EXPECT_LT(first->files[0].file, first->files[1].file);
  EXPECT_EQ(first->files[0].nar_hash.size(), 32U);
  EXPECT_NE(first->files[0].url.find("://"), std::string::npos);
  const auto rest = scrubs_.ListFiles(worker, worker_.key, first->files[1].file, {}, 2);
  ASSERT_EQ(rest->files.size(), 1U);
  const std::string last = rest->files[0].file;
  EXPECT_EQ(scrubs_.ListFiles(worker, worker_.key, "", {last, "no-such.nar"}, 2)->files.size(), 1U);
  EXPECT_EQ(scrubs_.ListFiles(worker, Bytes(32), "", {}, 2).error().code, ErrorCode::kNotFound);
}

TEST_F(ScrubStoreTest, WhoHasAShardTooIsNamedButNotToItself) {
  Mirror();
  FakeWorker holder(rig_, 2, upstream_);
  holder.peer_address = "holder:4711";
  holder.copies = {{.key = worker_.key, .version = 5, .content_length = 9, .bytes = 100}};
  ASSERT_TRUE(holder.Call().has_value());
  EXPECT_EQ(scrubs_.ListFiles(worker_.Report().worker_id, worker_.key, "", {}, 1)->peers,
            std::vector<std::string>{"holder:4711"});
  EXPECT_TRUE(scrubs_.ListFiles(holder.Report().worker_id, worker_.key, "", {}, 1)->peers.empty());
  const auto drives = scrubs_.Scrub(mirror::DriveIdOf(worker_.key), false);
  ASSERT_EQ(drives->size(), 2U);
}

TEST_F(ScrubStoreTest, WhatIsGivenUpIsToldInTheHistoryAndFetchedAgainWhenItIsGone) {
  Mirror();
  const std::string file = Sql(rig_.uri, "SELECT min(file) FROM nar");
  DriveScrubReport drive = OfShard(0, true);
  drive.losses = {{file, "block 3 is not what was signed"}, {"", "node 4 is wrong"}};
  Report({drive});
  EXPECT_EQ(
      Sql(rig_.uri, "SELECT count(*) FROM event WHERE what LIKE '%damaged for good%block 3%'"),
      "1");
  // The worker takes it out of the shard.
  auto report = worker_.Report();
  coordinator::ShardEntry gone;
  gone.file = file;
  gone.deleted = true;
  for (coordinator::DriveReport& of : report.drives) {
    of.head.db_length += 1;
    of.head.db_tree_hash = Bytes(32, std::byte{9});
    of.entries = {gone};
  }
  ASSERT_TRUE(rig_.synchronizer->Synchronize(report).has_value());
  // It may be leased again by the same call.
  EXPECT_EQ(
      Sql(rig_.uri,
          "SELECT needed AND state IN ('wanted', 'leased') FROM nar WHERE file = '" + file + "'"),
      "t");
}

}  // namespace
}  // namespace hnx::test
