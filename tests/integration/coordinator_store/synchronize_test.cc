// What workers may and may not make of the mirror's state.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "store_rig.h"
#include "support/postgres_fixture.h"

namespace hnx::test {
namespace {

using coordinator::DesiredState;
using coordinator::DriveHead;
using coordinator::WorkerReport;

class SynchronizeTest : public testing::Test {
 protected:
  void Mirror(FakeUpstream upstream) {
    upstream_ = std::move(upstream);
    release_ = rig_.Submit(upstream_);
    rig_.Background();
  }
  // The worker does all its work; nothing is published.
  void WorkOff(FakeWorker& worker) {
    for (int i = 0; i < 12; ++i) {
      ASSERT_TRUE(worker.Call().has_value());
      worker.Work(100);
    }
  }
  void PublishAll(FakeIndex& index) {
    for (int i = 0; i < 12; ++i) {
      index.Step();
      rig_.Background();
    }
  }
  ErrorCode CodeOf(const WorkerReport& report) {
    const auto answer = rig_.synchronizer->Synchronize(report);
    return answer.has_value() ? static_cast<ErrorCode>(0) : answer.error().code;
  }
  std::string Ask(const std::string& sql) { return Sql(rig_.uri, sql); }
  void ExpireLeases() {
    ASSERT_TRUE(rig_.reaper->Reap().has_value());  // somebody looks after leases
    Ask("UPDATE job SET expires_at = clock_timestamp() - interval '1 second' RETURNING 1");
    ASSERT_TRUE(rig_.reaper->Reap().has_value());
  }

  FakeUpstream upstream_{{.references = {}}, {.references = {0}}, {.references = {0, 1}}};
  StoreRig rig_{PostgresFixture::Get().NewDatabase()};
  FakeWorker worker_{rig_, 1, upstream_};
  FakeWorker other_{rig_, 2, upstream_};
  FakeIndex index_{rig_, upstream_};
  coordinator::ReleaseId release_ = 0;
};

TEST_F(SynchronizeTest, TurnsAwayAnOlderProcessOfTheSameWorker) {
  const WorkerReport old = worker_.Report();
  worker_.Restart();
  ASSERT_TRUE(worker_.Call().has_value());
  EXPECT_EQ(CodeOf(old), ErrorCode::kAborted);
}

TEST_F(SynchronizeTest, TurnsAwayACopiedDataDirectory) {
  ASSERT_TRUE(worker_.Call().has_value());
  WorkerReport copy = worker_.Report();
  copy.nonce += 1;
  EXPECT_EQ(CodeOf(copy), ErrorCode::kAborted);
}

TEST_F(SynchronizeTest, AnswersARepeatedMessageAndChangesNothing) {
  Mirror(upstream_);
  ASSERT_TRUE(worker_.Call().has_value());
  const WorkerReport report = worker_.Report();
  ASSERT_TRUE(rig_.synchronizer->Synchronize(report).has_value());
  const std::string before = Ask("SELECT string_agg(n::text, ',' ORDER BY id) FROM nar n");
  const auto again = rig_.synchronizer->Synchronize(report);
  ASSERT_TRUE(again.has_value());
  EXPECT_FALSE(again->jobs.empty());
  EXPECT_EQ(Ask("SELECT string_agg(n::text, ',' ORDER BY id) FROM nar n"), before);
}

TEST_F(SynchronizeTest, SealsADriveThatIsShorterThanRecorded) {
  Mirror(upstream_);
  WorkOff(worker_);
  worker_.head = {};
  worker_.Restart();
  const auto answer = worker_.Call();
  ASSERT_TRUE(answer.has_value());
  EXPECT_TRUE(answer->drives[0].sealed);
  EXPECT_EQ(Ask("SELECT count(*) FROM nar WHERE state = 'stored'"), "3");
}

TEST_F(SynchronizeTest, SealsADriveWithAnotherHistoryAtTheRecordedLength) {
  Mirror(upstream_);
  WorkOff(worker_);
  worker_.head.db_tree_hash[0] ^= std::byte{1};
  const auto answer = worker_.Call();
  ASSERT_TRUE(answer.has_value());
  EXPECT_TRUE(answer->drives[0].sealed);
}

TEST_F(SynchronizeTest, RefusesADriveOfAnotherWorker) {
  ASSERT_TRUE(worker_.Call().has_value());
  other_.key = worker_.key;
  const auto answer = rig_.synchronizer->Synchronize(other_.Report());
  ASSERT_TRUE(answer.has_value());
  EXPECT_TRUE(answer->drives.empty());
}

TEST_F(SynchronizeTest, SealsADriveWhoseRecordIsGoneButTakesItsFilesOver) {
  Mirror(upstream_);
  WorkOff(worker_);
  // The database was lost; the same set is submitted to an empty one.
  StoreRig rebuilt(PostgresFixture::Get().NewDatabase());
  WorkerReport report = worker_.Report();
  report.jobs.clear();
  report.drives[0].base.reset();
  ASSERT_TRUE(rebuilt.synchronizer->Synchronize(report).has_value());
  const auto sealed = rebuilt.synchronizer->Synchronize([&] {
    WorkerReport next = worker_.Report();
    next.jobs.clear();
    next.drives[0].base = DriveHead{};
    next.drives[0].entries.clear();
    for (const auto& [file, entry] : worker_.files()) {
      next.drives[0].entries.push_back(entry);
    }
    return next;
  }());
  ASSERT_TRUE(sealed.has_value());
  ASSERT_EQ(sealed->drives.size(), 1U);
  EXPECT_TRUE(sealed->drives[0].sealed);
  EXPECT_TRUE(sealed->drives[0].recorded.SameAs(worker_.head));
  rebuilt.Submit(upstream_);
  rebuilt.Plan();
  EXPECT_EQ(Sql(rebuilt.uri, "SELECT count(*) FROM nar WHERE state = 'stored'"), "3");
  EXPECT_EQ(Sql(rebuilt.uri, "SELECT count(*) FROM extra_copy"), "0");
}

TEST_F(SynchronizeTest, LeasesReferencesBeforeReferrersAndLargeOnesFirstAmongEquals) {
  Mirror({{.references = {}, .file_size = 30},
          {.references = {0}, .file_size = 90},
          {.references = {}, .file_size = 40},
          {.references = {1, 2}, .file_size = 95}});
  const auto answer = worker_.Call();
  ASSERT_TRUE(answer.has_value());
  std::vector<std::string> order;
  for (const coordinator::DesiredJob& job : answer->jobs) {
    for (const coordinator::NarUnit& nar : job.nars) {
      order.push_back(nar.file);
    }
  }
  EXPECT_EQ(order, (std::vector{FileOf(2), FileOf(0), FileOf(1), FileOf(3)}));
}

TEST_F(SynchronizeTest, ACallLeasesNoFurtherJobOnceItHasLeasedManyNars) {
  coordinator::JobLimits limits;
  limits.job_nars_max = 2;
  limits.call_nars_max = 4;
  rig_.synchronizer = std::make_unique<coordinator::PgSynchronizer>(
      *rig_.pool, limits, coordinator::FailurePolicyOptions(), 1);
  Mirror(FakeUpstream(9));
  ASSERT_TRUE(worker_.Call().has_value());
  EXPECT_EQ(worker_.jobs(), 2U);
  EXPECT_EQ(Ask("SELECT count(*) FROM nar WHERE state = 'leased'"), "4");
  ASSERT_TRUE(worker_.Call().has_value());
  EXPECT_EQ(worker_.jobs(), 4U);
}

TEST_F(SynchronizeTest, GoesOnAfterALostAnswer) {
  Mirror(upstream_);
  ASSERT_TRUE(worker_.Call().has_value());
  ASSERT_TRUE(worker_.Call().has_value());
  worker_.Work(100);
  ASSERT_TRUE(worker_.Call(/*lose_answer=*/true).has_value());
  const auto answer = worker_.Call();
  ASSERT_TRUE(answer.has_value());
  EXPECT_TRUE(answer->drives[0].recorded.SameAs(worker_.head));
  EXPECT_FALSE(answer->drives[0].sealed);
  EXPECT_EQ(Ask("SELECT count(*) FROM nar WHERE state = 'stored'"), "3");
  EXPECT_EQ(Ask("SELECT count(*) FROM extra_copy"), "0");
}

TEST_F(SynchronizeTest, LeasesAgainWithAHigherAttemptWhenALeaseRanOut) {
  Mirror(upstream_);
  ASSERT_TRUE(worker_.Call().has_value());
  ASSERT_EQ(worker_.jobs(), 1U);
  ExpireLeases();
  const auto answer = other_.Call();
  ASSERT_TRUE(answer.has_value());
  ASSERT_EQ(answer->jobs.size(), 1U);
  EXPECT_EQ(answer->jobs[0].attempt, 2U);
  ASSERT_TRUE(worker_.Call().has_value());
  EXPECT_EQ(worker_.jobs(), 0U) << "the first holder must drop it";
}

TEST_F(SynchronizeTest, WorkOfADeadWorkerIsLeasedAgainWithinFifteenSeconds) {
  // Renewed just before its end; missed by one look of the reaper; then another worker's idle call.
  constexpr std::chrono::milliseconds kIdleCall{1'000};
  EXPECT_LT(coordinator::JobLimits{}.lease + 2 * coordinator::kReapInterval + kIdleCall,
            std::chrono::seconds(15));
}

TEST_F(SynchronizeTest, LeasesDoNotRunOutWhileNobodyCouldRenewThem) {
  Mirror(upstream_);
  ASSERT_TRUE(worker_.Call().has_value());
  ASSERT_TRUE(rig_.reaper->Reap().has_value());
  Ask("UPDATE job SET expires_at = clock_timestamp() - interval '1 minute' RETURNING 1");
  Ask("UPDATE leader SET reaped_at = clock_timestamp() - interval '2 minutes' RETURNING 1");
  EXPECT_EQ(rig_.reaper->Reap().value(), 0U);
  EXPECT_EQ(rig_.reaper->Reap().value(), 0U);
  EXPECT_EQ(Ask("SELECT count(*) FROM job"), "1");
}

TEST_F(SynchronizeTest, TheFirstStoredCopyCountsAndTheOtherIsDroppedOnceTheIndexLinksElsewhere) {
  Mirror({{.references = {}}});
  ASSERT_TRUE(worker_.Call().has_value());
  ExpireLeases();
  ASSERT_TRUE(other_.Call().has_value());
  worker_.Work(1);
  other_.Work(1);
  ASSERT_TRUE(worker_.Call().has_value());
  ASSERT_TRUE(other_.Call().has_value());
  EXPECT_EQ(Ask("SELECT count(*) FROM extra_copy"), "1");
  EXPECT_EQ(other_.files().size(), 1U) << "not before the index says where the NAR is";
  PublishAll(index_);
  ASSERT_TRUE(other_.Call().has_value());
  EXPECT_TRUE(other_.files().empty());
  EXPECT_EQ(worker_.files().size(), 1U);
  ASSERT_TRUE(other_.Call().has_value());
  EXPECT_EQ(Ask("SELECT count(*) FROM extra_copy"), "0");
}

TEST_F(SynchronizeTest, TakesNoIndexWithAnotherKey) {
  index_.Step();
  index_.key[0] ^= std::byte{1};
  WorkerReport report = worker_.Report();
  report.indexes = true;
  report.drives = {{.key = index_.key,
                    .content_key = index_.key,
                    .head = {},
                    .base = std::nullopt,
                    .entries = {},
                    .is_index = true}};
  EXPECT_EQ(CodeOf(report), ErrorCode::kFailedPrecondition);
}

TEST_F(SynchronizeTest, ARestartedIndexGoesOnWhereItWas) {
  Mirror(upstream_);
  WorkOff(worker_);
  PublishAll(index_);
  const DriveHead published = index_.head;
  ASSERT_GT(published.db_length, 0U);
  index_.Restart();
  index_.Step();
  EXPECT_TRUE(index_.head.SameAs(published));
  EXPECT_EQ(Ask("SELECT published_batch FROM mirror"), Ask("SELECT max(batch) FROM publish_batch"));
}

TEST_F(SynchronizeTest, ATailOfTheIndexThatWasNotAcceptedIsCutOffAndMadeAgain) {
  Mirror(upstream_);
  WorkOff(worker_);
  index_.Step();  // names itself
  rig_.Background();
  index_.Step();  // appends the first batch
  const DriveHead once = index_.head;
  ASSERT_GT(once.db_length, 0U);
  index_.Restart();
  index_.Step();
  EXPECT_TRUE(index_.head.SameAs(once));
  PublishAll(index_);
  index_.Restart();
  PublishAll(index_);
  EXPECT_EQ(rig_.View(release_).state, "settled");
}

TEST_F(SynchronizeTest, AnIndexRestoredFromAnOlderCopyIsBroughtUpToDateFromTheLog) {
  Mirror(upstream_);
  WorkOff(worker_);
  PublishAll(index_);
  const DriveHead published = index_.head;
  const std::uint64_t batches = std::stoull(Ask("SELECT max(batch) FROM publish_batch"));
  ASSERT_GE(batches, 2U);
  index_.RestoreVolume(1);
  for (std::uint64_t i = 0; i < batches; ++i) {
    index_.Step();
  }
  EXPECT_TRUE(index_.head.SameAs(published));
}

TEST_F(SynchronizeTest, AnIndexThatIsLongerThanAnyBatchMadeItIsLeftAlone) {
  Mirror(upstream_);
  WorkOff(worker_);
  PublishAll(index_);
  index_.Restart();
  WorkerReport report = index_.Report();
  report.drives[0].head.db_length += 7;
  EXPECT_EQ(CodeOf(report), ErrorCode::kFailedPrecondition);
}

TEST_F(SynchronizeTest, TakesNoFilledIndexIntoAnEmptyDatabase) {
  WorkerReport report = worker_.Report();
  report.indexes = true;
  report.drives = {{.key = index_.key,
                    .content_key = index_.key,
                    .head = worker_.head,
                    .base = std::nullopt,
                    .entries = {},
                    .is_index = true,
                    .publish_batch = 7}};
  report.drives[0].head.db_length = 9;
  report.drives[0].head.db_tree_hash = Bytes(32);
  EXPECT_EQ(CodeOf(report), ErrorCode::kFailedPrecondition);
}

TEST_F(SynchronizeTest, OnlyTheNarInfosThatMakeAWrongClaimAreSetAside) {
  // Path 2 claims the URL of path 1's NAR with another NarHash: as URL is unsigned, it may.
  Mirror(upstream_);
  Ask("UPDATE nar SET url = (SELECT url FROM nar WHERE id = 2), file = (SELECT file FROM nar WHERE "
      "id = 2) WHERE id = 3 RETURNING 1");
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(worker_.Call().has_value());
    worker_.Work(1);
  }
  EXPECT_EQ(Ask("SELECT count(*) FROM path WHERE state = 'stored'"), "2");
  EXPECT_EQ(Ask("SELECT count(*) FROM path WHERE state = 'set_aside' AND reason = "
                "'url-of-another-nar'"),
            "1");
}

TEST_F(SynchronizeTest, AWrongClaimHasOneReasonThoughItWasRefusedBeforeTheRightOneWasProved) {
  Mirror(upstream_);
  Ask("UPDATE nar SET url = (SELECT url FROM nar WHERE id = 2), file = (SELECT file FROM nar WHERE "
      "id = 2), state = 'set_aside', reason = 'nar-size-mismatch', message = 'too long' WHERE id = "
      "3 RETURNING 1");
  Ask("UPDATE path SET state = 'set_aside', reason = 'nar-size-mismatch', message = 'too long' "
      "WHERE nar_id = 3 RETURNING 1");
  WorkOff(worker_);
  EXPECT_EQ(Ask("SELECT state || ' ' || reason FROM path WHERE nar_id = 3"),
            "set_aside url-of-another-nar");
}

TEST_F(SynchronizeTest, AWrongClaimThatComesAfterTheRightOneWasProvedHasTheSameReason) {
  Mirror(upstream_);
  Ask("UPDATE nar SET not_before = now() + interval '1 hour' WHERE id = 3 RETURNING 1");
  WorkOff(worker_);
  Ask("UPDATE nar SET url = (SELECT url FROM nar WHERE id = 2), file = (SELECT file FROM nar WHERE "
      "id = 2), not_before = '-infinity' WHERE id = 3 RETURNING 1");
  const auto leased = worker_.Call();
  ASSERT_TRUE(leased.has_value());
  ASSERT_EQ(leased->jobs.size(), 1U);
  WorkerReport report = worker_.Report();
  ASSERT_EQ(report.jobs.size(), 1U);
  report.jobs[0].failures = {{.nar_id = 3,
                              .reason = "nar-hash-mismatch",
                              .message = "another hash",
                              .code = ErrorCode::kDataLoss,
                              .retry_after = {}}};
  ASSERT_TRUE(rig_.synchronizer->Synchronize(report).has_value());
  EXPECT_EQ(Ask("SELECT state || ' ' || reason FROM path WHERE nar_id = 3"),
            "set_aside url-of-another-nar");
}

TEST_F(SynchronizeTest, RetryAfterHoldsBackTheWholeUpstream) {
  Mirror(upstream_);
  const auto first = worker_.Call();
  ASSERT_TRUE(first.has_value());
  WorkerReport report = worker_.Report();
  ASSERT_EQ(report.jobs.size(), 1U);
  report.jobs[0].failures = {{.nar_id = first->jobs[0].nars[0].nar_id,
                              .reason = "http-503",
                              .message = "busy",
                              .code = ErrorCode::kUnavailable,
                              .retry_after = std::chrono::milliseconds(60'000)}};
  ASSERT_TRUE(rig_.synchronizer->Synchronize(report).has_value());
  ExpireLeases();
  const auto answer = other_.Call();
  ASSERT_TRUE(answer.has_value());
  EXPECT_TRUE(answer->jobs.empty());
}

TEST_F(SynchronizeTest, FailuresOfALeaseThatWasLostAreNotHeard) {
  Mirror(upstream_);
  const auto first = worker_.Call();
  ASSERT_TRUE(first.has_value());
  ExpireLeases();
  ASSERT_TRUE(other_.Call().has_value());
  WorkerReport report = worker_.Report();
  report.jobs[0].failures = {{.nar_id = first->jobs[0].nars[0].nar_id,
                              .reason = "http-404",
                              .message = "gone",
                              .code = ErrorCode::kNotFound}};
  ASSERT_TRUE(rig_.synchronizer->Synchronize(report).has_value());
  EXPECT_EQ(Ask("SELECT count(*) FROM nar WHERE state = 'missing'"), "0");
}

TEST_F(SynchronizeTest, APlanFetchesNothingUntilItIsSubmittedForGood) {
  release_ = rig_.Submit(upstream_, "paths", /*plan_only=*/true);
  rig_.Background();
  EXPECT_EQ(rig_.View(release_).state, "planned");
  const auto answer = worker_.Call();
  ASSERT_TRUE(answer.has_value());
  EXPECT_TRUE(answer->jobs.empty());
  EXPECT_EQ(rig_.Submit(upstream_), release_) << "the same list is the same release";
  rig_.Background();
  EXPECT_EQ(rig_.View(release_).state, "mirroring");
  EXPECT_FALSE(worker_.Call()->jobs.empty());
}

TEST_F(SynchronizeTest, ALaterSuccessHealsWhatWasBlockedAndPublishesANewManifest) {
  FakeUpstream broken = upstream_;
  broken[0].missing = true;
  release_ = rig_.Submit(broken);
  rig_.Background();
  PublishAll(index_);
  EXPECT_EQ(rig_.View(release_).state, "settled");
  EXPECT_EQ(rig_.StateOf(2), "blocked");
  const auto again = rig_.Submit(upstream_, "again");
  rig_.Background();
  for (int i = 0; i < 8; ++i) {
    WorkOff(worker_);
    PublishAll(index_);
  }
  EXPECT_EQ(rig_.View(again).paths_published, 3U);
  EXPECT_EQ(rig_.View(release_).paths_published, 3U);
  EXPECT_NE(index_.File("/channels/paths/r1/manifest.json").find("\"manifestRevision\":2"),
            std::string::npos);
}

TEST_F(SynchronizeTest, APartOfAReleaseDoesNotReplaceTheManifestOfTheWhole) {
  Mirror(upstream_);
  WorkOff(worker_);
  PublishAll(index_);
  ASSERT_EQ(rig_.View(release_).state, "settled");
  const std::string manifest = index_.File("/channels/paths/r1/manifest.json");
  const auto part = rig_.Submit({upstream_[0]});
  ASSERT_NE(part, release_);
  rig_.Background();
  PublishAll(index_);
  EXPECT_EQ(rig_.View(part).state, "settled");
  EXPECT_EQ(index_.File("/channels/paths/r1/manifest.json"), manifest);
}

TEST_F(SynchronizeTest, TheWholeReplacesTheManifestOfAPart) {
  const auto part = rig_.Submit({upstream_[0]});
  rig_.Background();
  WorkOff(worker_);
  PublishAll(index_);
  ASSERT_EQ(rig_.View(part).state, "settled");
  Mirror(upstream_);
  WorkOff(worker_);
  PublishAll(index_);
  EXPECT_EQ(rig_.View(release_).state, "settled");
  EXPECT_NE(index_.File("/channels/paths/r1/manifest.json").find("\"total\":3"), std::string::npos);
}

TEST_F(SynchronizeTest, AnotherReplicasBackgroundWorkStopsWhenItIsReplaced) {
  Mirror(upstream_);
  coordinator::PgLeader old(*rig_.pool, "old");
  coordinator::PgPublishStore publisher(*rig_.pool, old, rig_.description);
  const auto planned = publisher.PlanBatch();
  ASSERT_FALSE(planned.has_value());
  EXPECT_EQ(planned.error().code, ErrorCode::kAborted);
}

TEST_F(SynchronizeTest, GoesOnAfterPostgresWasKilled) {
  Mirror(upstream_);
  ASSERT_TRUE(worker_.Call().has_value());
  PostgresFixture::Get().Kill();
  bool answered = false;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!answered && std::chrono::steady_clock::now() < deadline) {
    answered = worker_.Call().has_value();
  }
  ASSERT_TRUE(answered);
  while (!rig_.leader->Renew().has_value()) {
  }
  WorkOff(worker_);
  PublishAll(index_);
  EXPECT_EQ(rig_.View(release_).state, "settled");
}

}  // namespace
}  // namespace hnx::test
