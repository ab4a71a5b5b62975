// Shards that are lost, and how what lay in them comes back.
#include <algorithm>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "coordinator/domain/work_control.h"
#include "mirror/format/publish_format.h"
#include "mirror/index_layout.h"
#include "store_rig.h"
#include "support/postgres_fixture.h"

namespace hnx::test {
namespace {

using coordinator::WorkerReport;

class LossTest : public testing::Test {
 protected:
  void Mirror() {
    release_ = rig_.Submit(upstream_);
    rig_.Background();
  }
  void MirrorAllOn(FakeWorker& worker) {
    Mirror();
    worker.WorkOff();
    index_.PublishAll();
    ASSERT_EQ(rig_.View(release_).state, "settled");
    ASSERT_EQ(index_.links().size(), upstream_.size());
  }
  void ExpectAllLinksIn(const FakeWorker& worker) {
    const std::string id = mirror::DriveIdOf(worker.key);
    for (const auto& [path, linkname] : index_.links()) {
      EXPECT_NE(linkname.find(id), std::string::npos) << path << " -> " << linkname;
    }
  }
  bool MirrorJsonLists(const FakeWorker& worker) {
    return index_.File("/mirror.json").find(mirror::DriveIdOf(worker.key)) != std::string::npos;
  }
  std::string Ask(const std::string& sql) { return Sql(rig_.uri, sql); }
  std::string Stored() { return Ask("SELECT count(*) FROM nar WHERE state = 'stored'"); }
  // As if it had been silent for a minute.
  void Silence() { Ask("UPDATE worker SET last_seen = now() - interval '1 minute' RETURNING 1"); }

  FakeUpstream upstream_{{.references = {}}, {.references = {0}}, {.references = {0, 1}}};
  StoreRig rig_{PostgresFixture::Get().NewDatabase()};
  FakeWorker worker_{rig_, 1, upstream_};
  FakeWorker other_{rig_, 2, upstream_};
  FakeIndex index_{rig_, upstream_};
  coordinator::ReleaseId release_ = 0;
};

TEST_F(LossTest, NarsOfAShardThatIsShorterThanRecordedComeBackElsewhereAndTheirLinksFlip) {
  MirrorAllOn(worker_);
  const auto files = index_.files();
  worker_.head = {};
  worker_.Restart();
  ASSERT_TRUE(worker_.Call().has_value());
  rig_.Background();
  EXPECT_EQ(Stored(), "0");
  other_.WorkOff();
  EXPECT_EQ(Stored(), "3");
  index_.PublishAll();
  ExpectAllLinksIn(other_);
  for (int path = 0; path < 3; ++path) {
    EXPECT_EQ(rig_.StateOf(path), "published");
  }
  EXPECT_FALSE(MirrorJsonLists(worker_));
  EXPECT_TRUE(MirrorJsonLists(other_));
  EXPECT_EQ(Ask("SELECT count(*) FROM nar WHERE lost_shard_id IS NOT NULL"), "0");
  for (const auto& [path, text] : files) {
    if (path.ends_with(".narinfo")) {
      EXPECT_EQ(index_.File(path), text);
    }
  }
}

TEST_F(LossTest, ALeaseOfALostNarSaysWhereItLayAndOneOfANewNarSaysNothing) {
  Mirror();
  const auto fresh = worker_.Call();
  ASSERT_TRUE(fresh.has_value());
  ASSERT_FALSE(fresh->jobs.empty());
  EXPECT_FALSE(fresh->jobs.front().nars.front().lost.has_value());
  worker_.WorkOff();
  index_.PublishAll();
  const auto files = worker_.files();
  const Bytes lost_shard = worker_.key;
  worker_.LoseDisk();
  ASSERT_TRUE(worker_.Call().has_value());
  rig_.Background();
  const auto again = other_.Call();
  ASSERT_TRUE(again.has_value());
  ASSERT_FALSE(again->jobs.empty());
  for (const coordinator::NarUnit& nar : again->jobs.front().nars) {
    ASSERT_TRUE(nar.lost.has_value()) << nar.file;
    EXPECT_EQ(nar.lost->shard_key, lost_shard);
    const coordinator::BlobPlace& was = files.at(nar.file).blob;
    EXPECT_EQ(nar.lost->blob.byte_offset, was.byte_offset);
    EXPECT_EQ(nar.lost->blob.block_offset, was.block_offset);
    EXPECT_EQ(nar.lost->blob.block_length, was.block_length);
    EXPECT_EQ(nar.lost->blob.byte_length, was.byte_length);
  }
}

TEST_F(LossTest, AWorkerThatComesBackWithAnEmptyDiskHasLostItsShard) {
  MirrorAllOn(worker_);
  worker_.LoseDisk();
  ASSERT_TRUE(worker_.Call().has_value());
  rig_.Background();
  EXPECT_EQ(Stored(), "0");
  worker_.WorkOff();
  index_.PublishAll();
  ExpectAllLinksIn(worker_);
  EXPECT_EQ(Stored(), "3");
}

TEST_F(LossTest, NothingIsLostByAWorkerThatDoesNotSayThatItListsEverything) {
  MirrorAllOn(worker_);
  worker_.Restart();
  WorkerReport report = worker_.Report();
  report.drives.clear();
  report.lists_all_drives = false;  // a worker of the version before
  ASSERT_TRUE(rig_.synchronizer->Synchronize(report).has_value());
  EXPECT_EQ(Ask("SELECT count(*) FROM shard WHERE lost_at IS NOT NULL"), "0");
}

TEST_F(LossTest, ADriveThatIsThereButNotReadIsNotLost) {
  MirrorAllOn(worker_);
  worker_.Restart();
  WorkerReport report = worker_.Report();
  report.drives.clear();
  report.unread_drives = {worker_.key};
  ASSERT_TRUE(rig_.synchronizer->Synchronize(report).has_value());
  EXPECT_EQ(Ask("SELECT count(*) FROM shard WHERE lost_at IS NOT NULL"), "0");
}

TEST_F(LossTest, AnOlderReportLosesNothing) {
  MirrorAllOn(worker_);
  WorkerReport old = worker_.Report();
  old.drives.clear();
  ASSERT_TRUE(worker_.Call().has_value());
  ASSERT_TRUE(rig_.synchronizer->Synchronize(old).has_value());
  EXPECT_EQ(Ask("SELECT count(*) FROM shard WHERE lost_at IS NOT NULL"), "0");
}

TEST_F(LossTest, WhatWasStoredAndNotPublishedIsKnownAgainAndPublishedOnlyWhenItIsStored) {
  index_.Step();  // names itself
  Mirror();
  worker_.WorkOff();
  ASSERT_EQ(rig_.StateOf(0), "stored");
  worker_.LoseDisk();
  ASSERT_TRUE(worker_.Call().has_value());
  EXPECT_EQ(rig_.publisher->PlanBatch().value(), 0U) << "before the loss was looked into";
  index_.PublishAll();
  EXPECT_FALSE(index_.Publishes(0));
  EXPECT_EQ(rig_.StateOf(0), "known");
  other_.WorkOff();
  index_.PublishAll();
  EXPECT_TRUE(index_.Publishes(2));
  ExpectAllLinksIn(other_);
  EXPECT_EQ(rig_.View(release_).state, "settled");
}

TEST_F(LossTest, WhatAnotherShardHoldsTooIsNotFetchedAgain) {
  upstream_ = {{.references = {}}};
  Mirror();
  ASSERT_TRUE(worker_.Call().has_value());
  ASSERT_TRUE(rig_.reaper->Reap().has_value());
  Ask("UPDATE job SET expires_at = clock_timestamp() - interval '1 second' RETURNING 1");
  ASSERT_TRUE(rig_.reaper->Reap().has_value());
  ASSERT_TRUE(other_.Call().has_value());
  worker_.Work(1);
  other_.Work(1);
  ASSERT_TRUE(worker_.Call().has_value());
  ASSERT_TRUE(other_.Call().has_value());
  ASSERT_EQ(Ask("SELECT count(*) FROM extra_copy"), "1");
  index_.PublishAll();
  ASSERT_EQ(index_.links().size(), 1U);
  worker_.LoseDisk();
  ASSERT_TRUE(worker_.Call().has_value());
  index_.PublishAll();
  EXPECT_EQ(Ask("SELECT leases FROM nar"), "2");
  ExpectAllLinksIn(other_);
  ASSERT_TRUE(other_.Call().has_value());
  EXPECT_EQ(other_.files().size(), 1U) << "it is no extra copy any more";
  EXPECT_EQ(Ask("SELECT count(*) FROM extra_copy"), "0");
}

TEST_F(LossTest, AShardThatIsThereAgainIsReadFromAndNeverWrittenTo) {
  MirrorAllOn(worker_);
  const auto links = index_.links();
  const std::string batches = Ask("SELECT count(*) FROM publish_batch");
  Silence();
  ASSERT_TRUE(rig_.control->ForgetWorker("worker 1").has_value());
  rig_.Background();
  ASSERT_EQ(Stored(), "0");
  worker_.Restart();
  const auto answer = worker_.Call();
  ASSERT_TRUE(answer.has_value());
  EXPECT_TRUE(answer->drives[0].sealed);
  index_.PublishAll();
  EXPECT_EQ(Stored(), "3");
  EXPECT_EQ(index_.links(), links);
  EXPECT_EQ(Ask("SELECT count(*) FROM publish_batch"), batches) << "nothing flips";
  EXPECT_TRUE(MirrorJsonLists(worker_));
}

TEST_F(LossTest, AShardThatIsThereAgainTooLateIsNotPointedAt) {
  MirrorAllOn(worker_);
  Silence();
  ASSERT_TRUE(rig_.control->ForgetWorker("worker 1").has_value());
  rig_.Background();
  other_.WorkOff();
  worker_.Restart();
  ASSERT_TRUE(worker_.Call().has_value());
  index_.PublishAll();
  ExpectAllLinksIn(other_);
  EXPECT_EQ(Stored(), "3");
}

TEST_F(LossTest, AShardThatIsLostAfterItTookOverFlipsOnceMore) {
  MirrorAllOn(worker_);
  worker_.LoseDisk();
  ASSERT_TRUE(worker_.Call().has_value());
  ASSERT_TRUE(rig_.repairer->RepairStep().has_value());
  other_.WorkOff();
  other_.LoseDisk();  // before any link flipped
  ASSERT_TRUE(other_.Call().has_value());
  rig_.Background();
  EXPECT_EQ(Stored(), "0");
  worker_.WorkOff();
  index_.PublishAll();
  ExpectAllLinksIn(worker_);
}

TEST_F(LossTest, ForgettingEndsLeasesAndLosesShards) {
  Mirror();
  ASSERT_TRUE(worker_.Call().has_value());
  worker_.Work(1);
  ASSERT_TRUE(worker_.Call().has_value());
  ASSERT_EQ(Stored(), "1");
  Silence();
  const auto forgotten = rig_.control->ForgetWorker(fmt::format("{:032x}", 1));
  ASSERT_TRUE(forgotten.has_value());
  EXPECT_EQ(forgotten->name, "worker 1");
  EXPECT_EQ(forgotten->shards_lost, 1U);
  EXPECT_EQ(forgotten->nars, 1U);
  EXPECT_EQ(forgotten->bytes, 100U);
  EXPECT_EQ(Ask("SELECT count(*) FROM job"), "0");
  rig_.Background();
  other_.WorkOff();
  index_.PublishAll();
  EXPECT_EQ(rig_.View(release_).state, "settled");
  ExpectAllLinksIn(other_);
}

TEST_F(LossTest, AWorkerThatCallsIsNotForgotten) {
  ASSERT_TRUE(worker_.Call().has_value());
  const auto forgotten = rig_.control->ForgetWorker("worker 1");
  ASSERT_FALSE(forgotten.has_value());
  EXPECT_EQ(forgotten.error().code, ErrorCode::kFailedPrecondition);
  EXPECT_EQ(Ask("SELECT count(*) FROM worker WHERE forgotten_at IS NOT NULL"), "0");
}

TEST_F(LossTest, ForgettingNamesOneWorker) {
  ASSERT_TRUE(worker_.Call().has_value());
  ASSERT_TRUE(other_.Call().has_value());
  Silence();
  Ask("UPDATE worker SET name = 'same' RETURNING 1");
  const auto several = rig_.control->ForgetWorker("same");
  ASSERT_FALSE(several.has_value());
  EXPECT_EQ(several.error().code, ErrorCode::kFailedPrecondition);
  EXPECT_NE(several.error().message.find(fmt::format("{:032x}", 2)), std::string::npos);
  EXPECT_EQ(rig_.control->ForgetWorker("nobody").error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(rig_.control->ForgetWorker(fmt::format("{:032x}", 2)).has_value());
  const auto rest = rig_.control->ForgetWorker("same");
  ASSERT_TRUE(rest.has_value()) << "one that was forgotten is not in the way";
  EXPECT_EQ(rest->id, fmt::format("{:032x}", 1));
}

TEST_F(LossTest, TheListTellsWhoIsThereAndWhatWasLost) {
  MirrorAllOn(worker_);
  ASSERT_TRUE(other_.Call().has_value());
  worker_.LoseDisk();
  ASSERT_TRUE(worker_.Call().has_value());
  Ask("UPDATE worker SET last_seen = now() - interval '1 minute' WHERE name = 'worker 2' "
      "RETURNING 1");
  const auto status = rig_.releases->GetStatus();
  ASSERT_TRUE(status.has_value());
  const std::vector<coordinator::WorkerView>& workers = status->workers;
  ASSERT_EQ(workers.size(), 3U);
  EXPECT_EQ(workers[0].name, "index");
  EXPECT_EQ(workers[1].name, "worker 1");
  EXPECT_TRUE(workers[1].alive);
  EXPECT_EQ(workers[1].shards, 1U);
  EXPECT_EQ(workers[1].shards_lost, 1U);
  EXPECT_EQ(workers[1].bytes_stored, 0U);
  EXPECT_FALSE(workers[2].alive);
}

TEST_F(LossTest, AFileThatIsDeletedFromTheShardThatCountsIsFetchedAgain) {
  MirrorAllOn(worker_);
  WorkerReport report = worker_.Report();
  coordinator::ShardEntry gone;
  gone.file = FileOf(1);
  gone.deleted = true;
  report.drives[0].base = report.drives[0].head;
  report.drives[0].head.db_length += 1;
  report.drives[0].head.db_tree_hash[0] ^= std::byte{1};
  report.drives[0].entries = {gone};
  report.capacity_bytes = 0;  // else it would be given the file again
  ASSERT_TRUE(rig_.synchronizer->Synchronize(report).has_value());
  EXPECT_EQ(Stored(), "2");
  other_.WorkOff();
  index_.PublishAll();
  EXPECT_EQ(Stored(), "3");
  EXPECT_NE(index_.links().at("/nar/" + FileOf(1)).find(mirror::DriveIdOf(other_.key)),
            std::string::npos);
}

TEST_F(LossTest, ManifestAndListingAreWrittenAgainWhenLinksFlipped) {
  MirrorAllOn(worker_);
  const std::string listing = index_.File("/channels/paths/r1/listing.zst");
  worker_.LoseDisk();
  ASSERT_TRUE(worker_.Call().has_value());
  rig_.Background();
  other_.WorkOff();
  index_.PublishAll();
  EXPECT_NE(index_.File("/channels/paths/r1/listing.zst"), listing);
  EXPECT_EQ(rig_.View(release_).nars_stored, 3U);
  EXPECT_EQ(rig_.View(release_).state, "settled");
}

TEST_F(LossTest, WhatUpstreamDoesNotHaveAnyMoreIsListedAsLostAndTriedAgain) {
  MirrorAllOn(worker_);
  worker_.LoseDisk();
  ASSERT_TRUE(worker_.Call().has_value());
  rig_.Background();
  upstream_[1].nar_failure = ErrorCode::kNotFound;
  upstream_[1].nar_failures = 2;  // the first one counted when it was mirrored
  other_.WorkOff();
  index_.PublishAll();
  EXPECT_EQ(Stored(), "2");
  EXPECT_EQ(rig_.StateOf(1), "published");
  std::vector<std::string> lost;
  ASSERT_TRUE(rig_.releases
                  ->ListFailures(release_,
                                 [&](const coordinator::FailureView& failure) -> Result<void> {
                                   lost.push_back(failure.store_path + " " + failure.state + " " +
                                                  failure.reason);
                                   return {};
                                 })
                  .has_value());
  EXPECT_EQ(lost, std::vector<std::string>{"/nix/store/" + HashOf(1) + "-p lost made-up"});
  ASSERT_TRUE(rig_.repairer->RepairStep().has_value());
  EXPECT_EQ(Ask("SELECT count(*) FROM nar WHERE state = 'missing'"), "1") << "not at once";
  Ask("UPDATE nar SET changed_at = now() - interval '2 hours' RETURNING 1");
  rig_.Background();
  other_.WorkOff();
  index_.PublishAll();
  EXPECT_EQ(Stored(), "3");
  ExpectAllLinksIn(other_);
}

// Whatever is lost whenever, the index is closed after each batch (FakeIndex looks), and in the end
// every link names a shard that holds the file.
TEST_F(LossTest, LossesAtAnyMomentEndInTheSameMirror) {
  upstream_.clear();
  std::mt19937 random(20261127);
  constexpr int kPaths = 40;
  for (int path = 0; path < kPaths; ++path) {
    FakePath fake{.references = {}};
    for (int i = 0; path > 0 && i < 3; ++i) {
      fake.references.push_back(static_cast<int>(random() % static_cast<unsigned>(path)));
    }
    upstream_.push_back(std::move(fake));
  }
  Mirror();
  std::vector<FakeWorker*> workers{&worker_, &other_};
  constexpr int kEvents = 400;
  for (int event = 0; event < kEvents; ++event) {
    FakeWorker& one = *workers[random() % workers.size()];
    switch (random() % 24) {
      case 0:
        one.LoseDisk();
        break;
      case 1:
        one.Restart();
        break;
      case 2:
        index_.Step();
        break;
      case 3:
        ASSERT_TRUE(rig_.repairer->RepairStep().has_value());
        break;
      case 4:
        ASSERT_TRUE(rig_.publisher->PlanBatch().has_value());
        break;
      case 5:
        rig_.Background();
        break;
      default:
        ASSERT_TRUE(one.Call().has_value()) << "event " << event;
        one.Work(2);
    }
  }
  for (int i = 0; i < 6; ++i) {
    worker_.WorkOff();
    other_.WorkOff();
    index_.PublishAll();
  }
  EXPECT_EQ(rig_.View(release_).state, "settled");
  ASSERT_EQ(index_.links().size(), upstream_.size());
  for (const auto& link : index_.links()) {
    const std::string file = link.first.substr(std::string("/nar/").size());
    const bool held = std::any_of(workers.begin(), workers.end(), [&](const FakeWorker* worker) {
      return worker->files().contains(file) &&
             link.second.find(mirror::DriveIdOf(worker->key)) != std::string::npos;
    });
    EXPECT_TRUE(held) << link.first << " -> " << link.second;
  }
  EXPECT_EQ(Ask("SELECT count(*) FROM nar WHERE lost_shard_id IS NOT NULL"), "0");
}

}  // namespace
}  // namespace hnx::test
