// Read-only copies of shards: who is to hold which, and what they are good for.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "coordinator/domain/work_control.h"
#include "coordinator/store/pg_copy_planner.h"
#include "mirror/format/publish_format.h"
#include "store_rig.h"
#include "support/postgres_fixture.h"

namespace hnx::test {
namespace {

using coordinator::DesiredState;
using coordinator::PgCopyPlanner;

class CopyTest : public testing::Test {
 protected:
  CopyTest() {
    int number = 0;
    for (FakeWorker* worker : {&writer_, &holder_, &third_}) {
      ++number;
      worker->failure_domain = fmt::format("rack {}", number);
      worker->peer_address = fmt::format("worker-{}:1", number);
    }
  }
  void MirrorAllOnWriter() {
    release_ = rig_.Submit(upstream_);
    rig_.Background();
    writer_.WorkOff();
    index_.PublishAll();
    ASSERT_EQ(rig_.View(release_).state, "settled");
    ASSERT_TRUE(holder_.Call().has_value());
    ASSERT_TRUE(third_.Call().has_value());
  }
  // How many copies were given to workers.
  int Assign(std::int64_t copies = 1) {
    const int before = std::stoi(Ask("SELECT count(*) FROM shard_copy"));
    PgCopyPlanner planner(*rig_.pool, *rig_.leader, copies);
    EXPECT_TRUE(planner.AssignStep().has_value());
    return std::stoi(Ask("SELECT count(*) FROM shard_copy")) - before;
  }
  DesiredState Answer(FakeWorker& worker) {
    auto answer = worker.Call();
    EXPECT_TRUE(answer.has_value());
    return answer.has_value() ? *std::move(answer) : DesiredState();
  }
  // The worker has fetched what the writer has now.
  void Hold(FakeWorker& worker) { HoldAt(worker, writer_.key, writer_.head); }
  void HoldAt(FakeWorker& worker, const Bytes& key, const coordinator::DriveHead& head) {
    worker.copies = {{.key = key,
                      .version = head.db_length,
                      .content_length = head.content_length,
                      .bytes = head.content_byte_length}};
    ASSERT_TRUE(worker.Call().has_value());
  }
  void LoseWriter() {
    writer_.LoseDisk();
    ASSERT_TRUE(writer_.Call().has_value());
    rig_.Background();
  }
  void Forget(const std::string& worker) {
    Ask("UPDATE worker SET last_seen = now() - interval '1 minute' WHERE name = '" + worker +
        "' RETURNING 1");
    ASSERT_TRUE(rig_.control->ForgetWorker(worker).has_value());
    rig_.Background();
  }
  coordinator::WorkerView View(const std::string& name) {
    const auto status = rig_.releases->GetStatus();
    EXPECT_TRUE(status.has_value());
    for (const coordinator::WorkerView& worker : status->workers) {
      if (worker.name == name) {
        return worker;
      }
    }
    ADD_FAILURE() << "there is no " << name;
    return {};
  }
  std::string Ask(const std::string& sql) { return Sql(rig_.uri, sql); }
  std::string Stored() { return Ask("SELECT count(*) FROM nar WHERE state = 'stored'"); }
  std::string Batches() { return Ask("SELECT count(*) FROM publish_batch"); }

  FakeUpstream upstream_{{.references = {}}, {.references = {0}}, {.references = {0, 1}}};
  StoreRig rig_{PostgresFixture::Get().NewDatabase()};
  FakeWorker writer_{rig_, 1, upstream_};
  FakeWorker holder_{rig_, 2, upstream_};
  FakeWorker third_{rig_, 3, upstream_};
  FakeIndex index_{rig_, upstream_};
  coordinator::ReleaseId release_ = 0;
};

TEST_F(CopyTest, AShardIsGivenToAsManyWorkersAsWanted) {
  MirrorAllOnWriter();
  EXPECT_EQ(Assign(1), 1);
  EXPECT_EQ(Assign(1), 0);
  const DesiredState answer = Answer(holder_);
  ASSERT_EQ(answer.copies.size(), 1U);
  EXPECT_EQ(answer.copies[0].key, writer_.key);
  EXPECT_EQ(answer.copies[0].version, writer_.head.db_length);
  EXPECT_EQ(answer.copies[0].bytes, 300U);
  EXPECT_EQ(answer.copies[0].peers, std::vector<std::string>{"worker-1:1"});
  EXPECT_TRUE(Answer(writer_).copies.empty());
  EXPECT_TRUE(Answer(third_).copies.empty());
  EXPECT_EQ(Assign(2), 1);
  EXPECT_EQ(Answer(third_).copies.size(), 1U);
  EXPECT_EQ(Assign(3), 0) << "nobody is left";
}

TEST_F(CopyTest, NobodyIsGivenACopyWithoutBeingAsked) {
  MirrorAllOnWriter();
  EXPECT_EQ(Assign(0), 0);
}

TEST_F(CopyTest, CopiesGoToWhoeverHoldsTheFewestBytesOfThem) {
  MirrorAllOnWriter();
  ASSERT_EQ(Assign(), 1);
  ASSERT_EQ(Answer(holder_).copies.size(), 1U);
  upstream_.push_back({.references = {0}});
  release_ = rig_.Submit(upstream_, "more");
  rig_.Background();
  writer_.LoseDisk();  // it begins another shard, without calling in between
  writer_.WorkOff();
  Ask("UPDATE shard SET lost_at = NULL RETURNING 1");
  EXPECT_EQ(Assign(), 1);
  EXPECT_EQ(Answer(third_).copies.size(), 1U);
}

TEST_F(CopyTest, AWorkerInTheSameFailureDomainIsGivenNone) {
  holder_.failure_domain = writer_.failure_domain;
  third_.failure_domain = writer_.failure_domain;
  MirrorAllOnWriter();
  EXPECT_EQ(Assign(), 0);
  third_.failure_domain = "rack 3";
  ASSERT_TRUE(third_.Call().has_value());
  EXPECT_EQ(Assign(), 1);
}

TEST_F(CopyTest, OneThatIsAwayLeavesOrHasNoRoomIsGivenNone) {
  third_.peer_address.clear();
  MirrorAllOnWriter();
  const auto refused_when = [&](const std::string& what) {
    const std::string where = " WHERE name = 'worker 2' RETURNING 1";
    Ask("UPDATE worker SET " + what + where);
    EXPECT_EQ(Assign(), 0) << what;
    Ask("UPDATE worker SET drain_at = NULL" + where);
    EXPECT_TRUE(holder_.Call().has_value());
  };
  refused_when("last_seen = now() - interval '1 minute'");
  refused_when("draining = true");
  refused_when("drain_at = now()");
  refused_when("disk_full = true");
  refused_when("disk_free_bytes = 299");
  refused_when("roles = '{index}'");
  EXPECT_EQ(Assign(), 1);
}

TEST_F(CopyTest, WhatNobodyCanBeAskedForIsGivenToNobody) {
  writer_.peer_address.clear();
  MirrorAllOnWriter();
  EXPECT_EQ(Assign(), 0);
}

TEST_F(CopyTest, ACopyThatFallsBehindOnAFullDiskIsReplaced) {
  MirrorAllOnWriter();
  ASSERT_EQ(Assign(), 1);
  Ask("UPDATE worker SET disk_full = true WHERE name = 'worker 2' RETURNING 1");
  EXPECT_EQ(Assign(), 1);
  EXPECT_EQ(Answer(third_).copies.size(), 1U);
}

TEST_F(CopyTest, AShardThatItsWriterLostIsReadFromTheCopyAndNothingIsFetchedOrFlipped) {
  MirrorAllOnWriter();
  Assign();
  Hold(holder_);
  const auto links = index_.links();
  const Bytes key = writer_.key;
  const std::string batches = Batches();
  LoseWriter();
  index_.PublishAll();
  EXPECT_EQ(Stored(), "3");
  EXPECT_EQ(index_.links(), links);
  EXPECT_EQ(Batches(), batches);
  EXPECT_NE(index_.File("/mirror.json").find(mirror::DriveIdOf(key)), std::string::npos);
  EXPECT_EQ(Ask("SELECT bool_and(sealed) FROM shard WHERE db_length > 0"), "t");
}

TEST_F(CopyTest, WhatACoordinatorOfTheReleaseBeforeCallsLostIsLookedThrough) {
  MirrorAllOnWriter();
  Ask("UPDATE shard SET lost_at = now(), sealed = true, seal_reason = 'lost' WHERE db_length > 0 "
      "RETURNING 1");
  rig_.Background();
  EXPECT_EQ(Stored(), "0");
}

TEST_F(CopyTest, ForgettingTellsOnlyOfWhatNoCopyHolds) {
  MirrorAllOnWriter();
  Assign();
  Hold(holder_);
  Ask("UPDATE worker SET last_seen = now() - interval '1 minute' RETURNING 1");
  const auto forgotten = rig_.control->ForgetWorker("worker 1");
  ASSERT_TRUE(forgotten.has_value());
  EXPECT_EQ(forgotten->shards_lost, 1U);
  EXPECT_EQ(forgotten->nars, 0U);
  EXPECT_EQ(forgotten->bytes, 0U);
}

TEST_F(CopyTest, WhatTheCopyDoesNotHoldYetIsFetchedAgain) {
  MirrorAllOnWriter();
  Assign();
  Hold(holder_);
  upstream_.push_back({.references = {0}});
  release_ = rig_.Submit(upstream_, "more");
  rig_.Background();
  writer_.WorkOff();
  index_.PublishAll();
  ASSERT_EQ(Stored(), "4");
  LoseWriter();
  EXPECT_EQ(Stored(), "3");
  third_.WorkOff();
  index_.PublishAll();
  EXPECT_EQ(Stored(), "4");
  EXPECT_NE(index_.links().at("/nar/" + FileOf(3)).find(mirror::DriveIdOf(third_.key)),
            std::string::npos);
}

TEST_F(CopyTest, ACopyThatWasOnlyAssignedSavesNothing) {
  MirrorAllOnWriter();
  Assign();
  holder_.copies = {{.key = writer_.key, .version = 0, .content_length = 0, .bytes = 100}};
  ASSERT_TRUE(holder_.Call().has_value());
  LoseWriter();
  EXPECT_EQ(Stored(), "0");
}

TEST_F(CopyTest, AnAssignmentThatTheWorkerHasNotHeardOfStays) {
  MirrorAllOnWriter();
  Assign();
  ASSERT_TRUE(holder_.Call().has_value()) << "it lists all it has, and not this one";
  EXPECT_EQ(Ask("SELECT count(*) FROM shard_copy"), "1");
}

TEST_F(CopyTest, ARestartedHolderIsBelievedUntilItSaysWhatItHolds) {
  MirrorAllOnWriter();
  Assign();
  Hold(holder_);
  holder_.Restart();
  holder_.copies[0].version = 0;
  holder_.copies[0].content_length = 0;
  ASSERT_TRUE(holder_.Call().has_value());
  LoseWriter();
  EXPECT_EQ(Stored(), "3");
}

TEST_F(CopyTest, WhenTheCopyIsGoneTooEverythingIsFetchedAgain) {
  MirrorAllOnWriter();
  Assign();
  Hold(holder_);
  LoseWriter();
  ASSERT_EQ(Stored(), "3");
  holder_.Restart();
  holder_.copies.clear();
  ASSERT_TRUE(holder_.Call().has_value());
  rig_.Background();
  EXPECT_EQ(Stored(), "0");
  third_.WorkOff();
  index_.PublishAll();
  EXPECT_EQ(Stored(), "3");
}

TEST_F(CopyTest, WhenTheCopyTurnsOutShorterTheRestIsFetchedAgain) {
  MirrorAllOnWriter();
  Assign();
  Hold(holder_);
  LoseWriter();
  holder_.copies[0].version -= 1;
  holder_.copies[0].content_length -= 1;
  ASSERT_TRUE(holder_.Call().has_value());
  rig_.Background();
  EXPECT_EQ(Stored(), "2");
}

TEST_F(CopyTest, WhatAForgottenHolderHadIsFetchedAgainAndCountsAgainWhenItComesBack) {
  MirrorAllOnWriter();
  Assign();
  Hold(holder_);
  LoseWriter();
  const auto links = index_.links();
  Forget("worker 2");
  EXPECT_EQ(Stored(), "0") << "it was the last one";
  ASSERT_TRUE(holder_.Call().has_value());
  index_.PublishAll();
  EXPECT_EQ(Stored(), "3");
  EXPECT_EQ(index_.links(), links);
}

TEST_F(CopyTest, ALostShardIsCopiedOnFromTheCopy) {
  MirrorAllOnWriter();
  Assign();
  Hold(holder_);
  writer_.peer_address.clear();  // else it may be given it as well as the third one
  LoseWriter();
  EXPECT_EQ(Assign(), 1) << "the writer's place is taken";
  const DesiredState answer = Answer(third_);
  ASSERT_EQ(answer.copies.size(), 1U);
  EXPECT_EQ(answer.copies[0].peers, std::vector<std::string>{"worker-2:1"});
}

TEST_F(CopyTest, OfALostShardThatCountsWhichACopyHolds) {
  MirrorAllOnWriter();
  Assign(2);
  Assign(2);
  auto part = writer_.head;
  part.db_length -= 1;
  part.content_length -= 1;
  const Bytes key = writer_.key;
  HoldAt(holder_, key, part);
  EXPECT_EQ(View("worker 2").copies_whole, 0U);
  EXPECT_EQ(Answer(holder_).copies[0].content_end, 0U) << "its writer is there";
  LoseWriter();
  EXPECT_EQ(View("worker 2").copies_whole, 1U) << "the rest was taken from elsewhere";
  EXPECT_EQ(View("worker 3").copies_whole, 0U);
  const DesiredState answer = Answer(third_);
  ASSERT_EQ(answer.copies.size(), 1U);
  EXPECT_EQ(answer.copies[0].version, part.db_length);
  EXPECT_EQ(answer.copies[0].content_end, part.content_length);
  HoldAt(third_, key, part);
  EXPECT_EQ(View("worker 3").copies_whole, 1U);
}

TEST_F(CopyTest, AWorkerThatLostItsShardMayHoldACopyOfIt) {
  third_.peer_address.clear();
  MirrorAllOnWriter();
  const Bytes lost = writer_.key;
  Assign();
  Hold(holder_);
  LoseWriter();
  EXPECT_EQ(Assign(), 1);
  const DesiredState answer = Answer(writer_);
  ASSERT_EQ(answer.copies.size(), 1U);
  EXPECT_EQ(answer.copies[0].key, lost);
}

TEST_F(CopyTest, ADrainedWorkerIsRemovableWhenWhatItAloneHoldsIsCopiedWhole) {
  MirrorAllOnWriter();
  ASSERT_TRUE(rig_.control->Drain("worker 1", false).has_value());
  EXPECT_EQ(View("worker 1").lone_shards, std::vector<Bytes>{writer_.key});
  EXPECT_EQ(View("worker 1").lone_unassigned, 1U);
  EXPECT_EQ(Assign(0), 1) << "although no copies are wanted";
  EXPECT_EQ(View("worker 1").lone_unassigned, 0U);
  EXPECT_FALSE(View("worker 1").removable()) << "assigned is not held";
  Hold(holder_);
  EXPECT_TRUE(View("worker 1").removable());
  EXPECT_EQ(View("worker 2").copies_whole, 1U);
  EXPECT_EQ(View("worker 2").copy_bytes, 300U);
}

TEST_F(CopyTest, OnOneHostADrainedWorkersShardsAreCopiedAllTheSame) {
  holder_.failure_domain = writer_.failure_domain;
  third_.failure_domain = writer_.failure_domain;
  MirrorAllOnWriter();
  ASSERT_TRUE(rig_.control->Drain("worker 1", false).has_value());
  EXPECT_EQ(Assign(0), 1);
}

TEST_F(CopyTest, TheLastHolderOfALostShardIsNotRemovableBeforeItIsCopied) {
  MirrorAllOnWriter();
  const Bytes key = writer_.key;
  const auto head = writer_.head;
  Assign();
  Hold(holder_);
  LoseWriter();
  ASSERT_TRUE(rig_.control->Drain("worker 2", false).has_value());
  EXPECT_EQ(View("worker 2").lone_shards, std::vector<Bytes>{key});
  EXPECT_EQ(Assign(0), 1);
  const DesiredState answer = Answer(writer_);
  FakeWorker& next = answer.copies.empty() ? third_ : writer_;
  HoldAt(next, key, head);
  EXPECT_TRUE(View("worker 2").removable());
  Forget("worker 2");
  EXPECT_EQ(Stored(), "3");
}

TEST_F(CopyTest, TwoThatDrainDoNotCountOnEachOther) {
  MirrorAllOnWriter();
  Assign();
  Hold(holder_);
  ASSERT_TRUE(rig_.control->Drain("worker 1", false).has_value());
  EXPECT_TRUE(View("worker 1").removable());
  ASSERT_TRUE(rig_.control->Drain("worker 2", false).has_value());
  EXPECT_FALSE(View("worker 1").removable());
}

TEST_F(CopyTest, AWorkerThatOnlyStopsForAWhileIsNotReplaced) {
  MirrorAllOnWriter();
  Assign();
  Hold(holder_);
  Ask("UPDATE worker SET draining = true, last_seen = now() - interval '1 hour' "
      "WHERE name = 'worker 2' RETURNING 1");
  EXPECT_EQ(Assign(), 0);
}

class AwaitedCopyTest : public CopyTest {
 protected:
  AwaitedCopyTest() {
    rig_.publisher = std::make_unique<coordinator::PgPublishStore>(
        *rig_.pool, *rig_.leader, rig_.description,
        coordinator::PublishLimits{
            .batch_paths_max = 5, .batch_wait_ms = 0, .await_copies_ms = 600'000});
  }
  void StoreAllOnWriter() {
    ASSERT_TRUE(holder_.Call().has_value());
    index_.Step();
    release_ = rig_.Submit(upstream_);
    rig_.Background();
    writer_.WorkOff();
    index_.PublishAll();
    ASSERT_EQ(Stored(), "3");
    ASSERT_TRUE(holder_.Call().has_value());
  }
};

TEST_F(AwaitedCopyTest, NothingIsPublishedBeforeAnotherWorkerHoldsIt) {
  StoreAllOnWriter();
  EXPECT_FALSE(index_.Publishes(0)) << "holders have yet to be looked for";
  ASSERT_EQ(Assign(), 1);
  index_.PublishAll();
  EXPECT_FALSE(index_.Publishes(0)) << "the holder has yet to fetch it";
  auto part = writer_.head;
  part.content_length = writer_.files().at(FileOf(0)).blob.block_offset + 1;
  HoldAt(holder_, writer_.key, part);
  index_.PublishAll();
  EXPECT_TRUE(index_.Publishes(0));
  const bool all = part.content_length == writer_.head.content_length;
  EXPECT_EQ(index_.Publishes(2), all);
  Hold(holder_);
  index_.PublishAll();
  EXPECT_TRUE(index_.Publishes(2));
  EXPECT_EQ(rig_.View(release_).state, "settled");
}

TEST_F(AwaitedCopyTest, NobodyThatIsAwayIsWaitedFor) {
  StoreAllOnWriter();
  ASSERT_EQ(Assign(), 1);
  Ask("UPDATE worker SET last_seen = now() - interval '1 minute' WHERE name = 'worker 2' "
      "RETURNING 1");
  index_.PublishAll();
  EXPECT_TRUE(index_.Publishes(2));
}

TEST_F(AwaitedCopyTest, WhereNobodyCanHoldACopyNothingWaits) {
  holder_.peer_address.clear();
  third_.peer_address.clear();
  StoreAllOnWriter();
  ASSERT_EQ(Assign(), 0);
  index_.PublishAll();
  EXPECT_TRUE(index_.Publishes(2));
}

TEST_F(AwaitedCopyTest, AHolderThatDoesNotGetOnHoldsNothingUpForEver) {
  StoreAllOnWriter();
  ASSERT_EQ(Assign(), 1);
  Ask("UPDATE nar SET changed_at = now() - interval '11 minutes' RETURNING 1");
  index_.PublishAll();
  EXPECT_TRUE(index_.Publishes(2));
}

TEST_F(AwaitedCopyTest, ACycleOfReferencesWaitsAsAWhole) {
  upstream_ = {{.references = {1}}, {.references = {2}}, {.references = {0}}};
  StoreAllOnWriter();
  ASSERT_EQ(Assign(), 1);
  auto part = writer_.head;
  part.content_length -= 1;
  HoldAt(holder_, writer_.key, part);
  index_.PublishAll();
  EXPECT_FALSE(index_.Publishes(0));
  Hold(holder_);
  index_.PublishAll();
  EXPECT_TRUE(index_.Publishes(0));
}

}  // namespace
}  // namespace hnx::test
