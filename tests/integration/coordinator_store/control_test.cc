// What operators can do to work: hold it, end it, order it, drain workers, retry and accept
// failures.
#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "store_rig.h"
#include "support/postgres_fixture.h"

namespace hnx::test {
namespace {

using coordinator::FailureSelection;
using coordinator::PauseTarget;
using coordinator::ReleaseId;

FakeUpstream Chain(int paths) {
  FakeUpstream upstream;
  for (int path = 0; path < paths; ++path) {
    upstream.push_back({.references = path == 0 ? std::vector<int>{} : std::vector<int>{path - 1}});
  }
  return upstream;
}

FakeUpstream Loose(int paths) {
  return FakeUpstream(static_cast<std::size_t>(paths));
}

class ControlTest : public testing::Test {
 protected:
  ReleaseId Mirror(FakeUpstream upstream) {
    upstream_ = std::move(upstream);
    const ReleaseId release = rig_.Submit(upstream_);
    rig_.Background();
    return release;
  }
  void WorkOff(FakeWorker& worker) {
    for (int i = 0; i < 40; ++i) {
      ASSERT_TRUE(worker.Call().has_value());
      if (worker.jobs() == 0) {
        return;
      }
      worker.Work(100);
    }
  }
  void Finish() {
    for (int i = 0; i < 30; ++i) {
      WorkOff(worker_);
      index_.Step();
      rig_.Background();
      if (Ask("SELECT NOT EXISTS (SELECT FROM release WHERE state IN ('walking', 'mirroring')) AND "
              "NOT EXISTS (SELECT FROM publish_batch WHERE applied_at IS NULL)") == "t") {
        return;
      }
    }
  }
  std::string Ask(const std::string& sql) { return Sql(rig_.uri, sql); }
  void Pause(const PauseTarget& target) {
    const auto paused = rig_.control->Pause(target, "the test says so");
    ASSERT_TRUE(paused.has_value()) << paused.error().ToString();
    EXPECT_TRUE(paused->changed) << paused->what;
  }
  void Resume(const PauseTarget& target) {
    const auto resumed = rig_.control->Resume(target);
    ASSERT_TRUE(resumed.has_value()) << resumed.error().ToString();
    EXPECT_TRUE(resumed->changed) << resumed->what;
  }
  static PauseTarget Release(ReleaseId release) {
    return {.kind = PauseTarget::Kind::kRelease, .release = release};
  }
  static PauseTarget Upstream(std::string name) {
    return {.kind = PauseTarget::Kind::kUpstream, .name = std::move(name)};
  }
  static PauseTarget Worker(std::string name) {
    return {.kind = PauseTarget::Kind::kWorker, .name = std::move(name)};
  }
  template <class T>
  static ErrorCode CodeOf(const Result<T>& result) {
    return result.has_value() ? static_cast<ErrorCode>(0) : result.error().code;
  }
  coordinator::WorkerView WorkerNamed(const std::string& name) {
    const auto status = rig_.releases->GetStatus();
    EXPECT_TRUE(status.has_value());
    for (const coordinator::WorkerView& worker : status->workers) {
      if (worker.name == name) {
        return worker;
      }
    }
    ADD_FAILURE() << "no worker " << name;
    return {};
  }

  FakeUpstream upstream_;
  StoreRig rig_{PostgresFixture::Get().NewDatabase()};
  FakeWorker worker_{rig_, 1, upstream_};
  FakeWorker other_{rig_, 2, upstream_};
  FakeIndex index_{rig_, upstream_};
};

TEST_F(ControlTest, APausedReleaseLeasesNothingNewAndKeepsTheLeasesItHas) {
  const ReleaseId release = Mirror(Loose(8));
  ASSERT_TRUE(worker_.Call().has_value());
  const std::size_t held = worker_.jobs();
  ASSERT_GT(held, 0U);
  Pause(Release(release));
  ASSERT_TRUE(other_.Call().has_value());
  EXPECT_EQ(other_.jobs(), 0U);
  ASSERT_TRUE(worker_.Call().has_value());
  EXPECT_EQ(worker_.jobs(), held);
  EXPECT_TRUE(rig_.View(release).paused);
  EXPECT_EQ(rig_.View(release).pause_reason, "the test says so");
  Resume(Release(release));
  Finish();
  EXPECT_EQ(rig_.View(release).state, "settled");
}

TEST_F(ControlTest, APausedUpstreamWorkerOrEverythingLeasesNothingNew) {
  const ReleaseId release = Mirror(Loose(8));
  ASSERT_TRUE(rig_.synchronizer
                  ->Synchronize([&] {
                    auto report = worker_.Report();
                    report.capacity_bytes = 0;
                    return report;
                  }())
                  .has_value());
  for (const PauseTarget& target :
       {Upstream("http://UPSTREAM/"), Worker("worker 1"), PauseTarget{}}) {
    Pause(target);
    rig_.Background();
    ASSERT_TRUE(worker_.Call().has_value());
    EXPECT_EQ(worker_.jobs(), 0U);
    Resume(target);
  }
  Finish();
  EXPECT_EQ(rig_.View(release).state, "settled");
}

TEST_F(ControlTest, APausedReleaseIsNeitherResolvedNorWalked) {
  const auto submitted = rig_.releases->Submit(
      {.channel = "c", .upstream_url = "http://upstream", .match = {}, .exclude = {}});
  ASSERT_TRUE(submitted.has_value());
  Pause(Release(submitted->release));
  EXPECT_FALSE(rig_.walk->NextReleaseToResolve()->has_value());
  Ask("UPDATE release SET state = 'walking' RETURNING 1");
  EXPECT_FALSE(rig_.walk->NextReleaseToWalk()->has_value());
  Resume(Release(submitted->release));
  EXPECT_TRUE(rig_.walk->NextReleaseToWalk()->has_value());
  for (const PauseTarget& target : {Upstream("upstream"), PauseTarget{}}) {
    Pause(target);
    EXPECT_FALSE(rig_.walk->NextReleaseToWalk()->has_value());
    Resume(target);
  }
}

TEST_F(ControlTest, APauseNamesWhatItDoesNotKnow) {
  Mirror(Loose(1));
  EXPECT_EQ(CodeOf(rig_.control->Pause(Release(99), "r")), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(rig_.control->Pause(Worker("nobody"), "r")), ErrorCode::kNotFound);
  const auto nowhere = rig_.control->Pause(Upstream("http://elsewhere"), "r");
  EXPECT_EQ(CodeOf(nowhere), ErrorCode::kNotFound);
  EXPECT_NE(nowhere.error().message.find("known hosts: upstream"), std::string::npos)
      << nowhere.error().message;
}

TEST_F(ControlTest, AReleaseThatIsOverCannotBePausedOrCancelled) {
  const ReleaseId release = Mirror(Loose(2));
  Finish();
  EXPECT_EQ(CodeOf(rig_.control->Pause(Release(release), "r")), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(CodeOf(rig_.control->Cancel(release, "r")), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(rig_.View(release).state, "settled");
}

TEST_F(ControlTest, CancellingGivesUpLeasesKeepsWhatIsStoredAndIsFinal) {
  const ReleaseId release = Mirror(Loose(12));
  ASSERT_TRUE(worker_.Call().has_value());
  worker_.Work(2);
  ASSERT_TRUE(worker_.Call().has_value());
  ASSERT_GT(worker_.jobs(), 0U);
  const auto ended = rig_.control->Cancel(release, "not wanted");
  ASSERT_TRUE(ended.has_value());
  EXPECT_GT(*ended, 0U);
  EXPECT_EQ(Ask("SELECT count(*) FROM job"), "0");
  EXPECT_EQ(Ask("SELECT count(*) FROM nar WHERE state = 'leased'"), "0");
  ASSERT_TRUE(worker_.Call().has_value());
  EXPECT_EQ(worker_.jobs(), 0U) << "the worker goes on with work that was cancelled";
  rig_.Background();
  EXPECT_EQ(rig_.View(release).state, "cancelled");
  EXPECT_EQ(rig_.View(release).message, "not wanted");
  EXPECT_EQ(Ask("SELECT count(*) FROM nar WHERE state = 'stored'"), "2");
  EXPECT_EQ(Ask("SELECT count(*) FROM nar WHERE needed AND state <> 'stored'"), "0");
  Finish();
  EXPECT_EQ(rig_.View(release).state, "cancelled");
  EXPECT_EQ(*rig_.control->Cancel(release, "again"), 0U);

  const ReleaseId again = rig_.Submit(upstream_);
  EXPECT_NE(again, release);
  rig_.Background();
  Finish();
  EXPECT_EQ(rig_.View(again).state, "settled");
  EXPECT_EQ(rig_.View(again).paths_published, 12U);
  EXPECT_EQ(Ask("SELECT max(leases) FROM nar WHERE id IN (SELECT id FROM nar ORDER BY changed_at "
                "LIMIT 2)"),
            "1")
      << "what was stored is not fetched again";
}

TEST_F(ControlTest, WhatAnotherReleaseNeedsTooIsFetchedThoughOneIsCancelledOrPaused) {
  const ReleaseId wide = Mirror(Loose(8));
  FakeUpstream part(upstream_.begin(), upstream_.begin() + 3);
  const ReleaseId narrow = rig_.Submit(part, "part");
  rig_.Background();
  Pause(Release(narrow));
  ASSERT_TRUE(rig_.control->Cancel(wide, "r").has_value());
  rig_.Background();
  ASSERT_TRUE(worker_.Call().has_value());
  EXPECT_EQ(worker_.jobs(), 0U);
  Resume(Release(narrow));
  rig_.Background();
  Finish();
  EXPECT_EQ(rig_.View(narrow).state, "settled");
  EXPECT_EQ(Ask("SELECT count(*) FROM nar WHERE state = 'stored'"), "3");
}

TEST_F(ControlTest, ThePausedReleasesShareIsLeasedForTheOtherOne) {
  const ReleaseId wide = Mirror(Loose(8));
  FakeUpstream part(upstream_.begin(), upstream_.begin() + 3);
  const ReleaseId narrow = rig_.Submit(part, "part");
  rig_.Background();
  EXPECT_EQ(Ask(fmt::format("SELECT count(*) FROM nar WHERE lane = {}", narrow)), "3")
      << "the smaller release comes first";
  Pause(Release(narrow));
  rig_.Background();
  EXPECT_EQ(Ask(fmt::format("SELECT count(*) FROM nar WHERE lane = {}", wide)), "8");
  Finish();
  EXPECT_EQ(rig_.View(wide).state, "settled");
}

TEST_F(ControlTest, AWalkThatGoesOnAfterACancellationIsTurnedAway) {
  const ReleaseId release = Mirror(Loose(3));
  ASSERT_TRUE(rig_.control->Cancel(release, "r").has_value());
  EXPECT_EQ(CodeOf(rig_.walk->SaveWalkResults(release, {}, {})), ErrorCode::kAborted);
  EXPECT_EQ(CodeOf(rig_.walk->AddRoots(release, {})), ErrorCode::kAborted);
  EXPECT_EQ(CodeOf(rig_.walk->FinishWalk(release)), ErrorCode::kAborted);
}

TEST_F(ControlTest, TheHigherPriorityIsServedFirstAndMayBeChangedLater) {
  FakeUpstream both = Loose(40);
  upstream_ = both;
  const ReleaseId first = rig_.Submit(FakeUpstream(both.begin(), both.begin() + 20), "first");
  // The second release has other paths.
  FakeUpstream shifted = both;
  const ReleaseId second = rig_.Submit(shifted, "second", false, 0);
  rig_.Background();
  const auto lane_of = [&](int nar) {
    return Ask(fmt::format("SELECT lane FROM nar WHERE file = '{}'", FileOf(nar)));
  };
  EXPECT_EQ(lane_of(0), std::to_string(first));
  EXPECT_EQ(lane_of(30), std::to_string(second));
  ASSERT_TRUE(rig_.control->SetPriority(second, 7).has_value());
  EXPECT_EQ(rig_.View(second).priority, 7);
  rig_.Background();
  EXPECT_EQ(lane_of(0), std::to_string(second));
  ASSERT_TRUE(rig_.control->SetPriority(first, 8).has_value());
  rig_.Background();
  EXPECT_EQ(lane_of(0), std::to_string(first));
  // While the first has work, the second gets none.
  for (int call = 0; call < 3; ++call) {
    ASSERT_TRUE(worker_.Call().has_value());
  }
  for (const int nar : worker_.Waiting()) {
    EXPECT_LT(nar, 20);
  }
  EXPECT_EQ(CodeOf(rig_.control->SetPriority(99, 1)), ErrorCode::kNotFound);
}

TEST_F(ControlTest, ASmallReleaseIsNotStarvedByALargeOneOfTheSamePriority) {
  upstream_ = Loose(400);
  FakeUpstream tail = upstream_;
  // A large one first, then a small one of other paths.
  const ReleaseId large = rig_.Submit(upstream_, "large");
  rig_.Background();
  ASSERT_TRUE(worker_.Call().has_value());
  upstream_ = Loose(404);
  const ReleaseId small = rig_.Submit(upstream_, "all");
  rig_.Background();
  // Only the four last ones are left to the second release's lane.
  EXPECT_EQ(
      Ask(fmt::format("SELECT count(*) FROM nar WHERE lane = {} AND state = 'wanted'", small)),
      "4");
  ASSERT_TRUE(other_.Call().has_value());
  const std::set<int> waiting = other_.Waiting();
  EXPECT_TRUE(waiting.contains(400)) << "the small lane waits behind the large one";
  EXPECT_EQ(Ask(fmt::format("SELECT count(*) > 300 FROM nar WHERE lane = {} AND state = 'wanted'",
                            large)),
            "t");
}

TEST_F(ControlTest, ADrainedWorkerFinishesWhatItHasAndGetsNoMore) {
  const ReleaseId release = Mirror(Loose(16));
  ASSERT_TRUE(worker_.Call().has_value());
  ASSERT_GT(worker_.jobs(), 0U);
  ASSERT_TRUE(rig_.control->Drain("worker 1", false).has_value());
  const auto told = worker_.Call();
  ASSERT_TRUE(told.has_value());
  EXPECT_TRUE(told->drain);
  const std::size_t held = worker_.jobs();
  EXPECT_GT(held, 0U) << "leases that run must go on";
  EXPECT_FALSE(WorkerNamed("worker 1").removable());
  WorkOff(worker_);
  EXPECT_EQ(worker_.jobs(), 0U);
  const auto drained = WorkerNamed("worker 1");
  EXPECT_TRUE(drained.draining);
  EXPECT_EQ(drained.jobs, 0U);
  EXPECT_EQ(drained.lone_shards, std::vector<Bytes>{worker_.key});
  EXPECT_FALSE(drained.removable()) << "it holds the only copy of what it stored";
  WorkOff(other_);
  EXPECT_FALSE(other_.files().empty()) << "another worker does the rest";
  ASSERT_TRUE(rig_.control->Drain("worker 1", true).has_value());
  EXPECT_FALSE(worker_.Call()->drain);
  Finish();
  EXPECT_EQ(rig_.View(release).state, "settled");
}

TEST_F(ControlTest, ADrainedWorkerWithoutAnythingOfItsOwnMayBeRemoved) {
  Mirror(Loose(2));
  ASSERT_TRUE(other_.Call().has_value());
  const std::string id = fmt::format("{:032x}", 2);
  ASSERT_TRUE(rig_.control->Drain(id, false).has_value());
  ASSERT_TRUE(worker_.Call().has_value());
  WorkOff(other_);
  // What the other one holds is stored by the first as well.
  const auto view = WorkerNamed("worker 2");
  EXPECT_EQ(view.removable(), other_.files().empty());
  Ask(
      fmt::format("INSERT INTO extra_copy (shard_id, file, nar_hash, nar_size, file_hash_drift, "
                  "blob_byte_offset, blob_block_offset, blob_block_length, bytes) "
                  "SELECT s.id, n.file, n.nar_hash, n.nar_size, false, 0, 0, 1, 1 FROM nar n "
                  "JOIN shard mine ON mine.id = n.shard_id JOIN shard s ON s.worker_id <> "
                  "mine.worker_id WHERE mine.worker_id = '{}' RETURNING 1",
                  id));
  EXPECT_TRUE(WorkerNamed("worker 2").lone_shards.empty());
  EXPECT_TRUE(WorkerNamed("worker 2").removable());
}

TEST_F(ControlTest, AFailureIsTriedAgainAndThenPublished) {
  upstream_ = Chain(3);
  upstream_[1].missing = true;
  const ReleaseId release = rig_.Submit(upstream_);
  rig_.Background();
  Finish();
  ASSERT_EQ(rig_.View(release).state, "settled");
  ASSERT_EQ(rig_.StateOf(1), "missing");
  ASSERT_EQ(rig_.StateOf(2), "blocked");

  upstream_[1].missing = false;
  EXPECT_EQ(rig_.control->Retry({.release = release, .reason = "http-503"})->paths, 0U);
  EXPECT_EQ(rig_.View(release).state, "settled") << "nothing was chosen";
  const auto retried = rig_.control->Retry({.reason = "http-404"});
  ASSERT_TRUE(retried.has_value());
  EXPECT_EQ(retried->paths, 1U);
  EXPECT_EQ(retried->release, release);
  EXPECT_EQ(rig_.View(release).state, "walking");
  rig_.Walk(release, upstream_);
  rig_.Background();
  Finish();
  EXPECT_EQ(rig_.View(release).state, "settled");
  EXPECT_EQ(rig_.View(release).paths_published, 3U);
  EXPECT_NE(index_.File("/channels/paths/r1/manifest.json").find("\"manifestRevision\":2"),
            std::string::npos);
}

TEST_F(ControlTest, ANarThatWasSetAsideIsFetchedAgain) {
  upstream_ = Chain(2);
  upstream_[0].nar_failure = ErrorCode::kDataLoss;
  upstream_[0].nar_failures = 2;
  const ReleaseId release = rig_.Submit(upstream_);
  rig_.Background();
  Finish();
  ASSERT_EQ(rig_.StateOf(0), "set_aside");
  const auto retried = rig_.control->Retry({.release = release, .hashes = {HashOf(0)}});
  ASSERT_TRUE(retried.has_value()) << retried.error().ToString();
  rig_.Walk(release, upstream_);
  rig_.Background();
  Finish();
  EXPECT_EQ(rig_.View(release).paths_published, 2U);
  EXPECT_EQ(rig_.View(release).state, "settled");
}

TEST_F(ControlTest, ARetryNamesPathsThatDidNotFail) {
  const ReleaseId release = Mirror(Loose(2));
  Finish();
  const auto wrong = rig_.control->Retry({.release = release, .hashes = {HashOf(1)}});
  EXPECT_EQ(CodeOf(wrong), ErrorCode::kFailedPrecondition);
  EXPECT_NE(wrong.error().message.find(HashOf(1)), std::string::npos);
  EXPECT_EQ(rig_.View(release).state, "settled");
}

TEST_F(ControlTest, AnAcceptedFailureIsInTheManifestWithItsNoteAndStillBlocks) {
  upstream_ = Chain(3);
  upstream_[0].missing = true;
  const ReleaseId release = rig_.Submit(upstream_);
  rig_.Background();
  Finish();
  const FailureSelection it{.release = release, .hashes = {HashOf(0)}};
  ASSERT_TRUE(rig_.control->Accept(it, "gone for \"good\"").has_value());
  rig_.Background();
  Finish();
  const std::string manifest = index_.File("/channels/paths/r1/manifest.json");
  EXPECT_NE(manifest.find("\"accepted\":\"gone for \\\"good\\\"\""), std::string::npos) << manifest;
  EXPECT_EQ(rig_.StateOf(1), "blocked");
  EXPECT_EQ(rig_.control->Retry({.release = release})->paths, 0U) << "accepted ones are left alone";
  ASSERT_TRUE(rig_.control->Accept(it, "").has_value());
  rig_.Background();
  Finish();
  EXPECT_EQ(index_.File("/channels/paths/r1/manifest.json").find("accepted"), std::string::npos);
}

TEST_F(ControlTest, ALongReasonIsCutInTheAuditBetweenTwoCharacters) {
  // The 2,000th byte is in the middle of a character.
  std::string reason(1'999, 'a');
  for (int i = 0; i < 10; ++i) {
    reason += "\u00e9";
  }
  const auto paused = rig_.control->Pause({.kind = PauseTarget::Kind::kEverything}, reason,
                                          {.who = "ann@host", .peer = "ipv4:127.0.0.1:1"});
  ASSERT_TRUE(paused.has_value()) << paused.error().ToString();
  EXPECT_EQ(Ask("SELECT max(length(decision)) FROM audit"), "2000");
}

TEST_F(ControlTest, OnlyFailuresCanBeAccepted) {
  const ReleaseId release = Mirror(Loose(1));
  EXPECT_EQ(CodeOf(rig_.control->Accept({.release = release, .hashes = {HashOf(0)}}, "n")),
            ErrorCode::kFailedPrecondition);
}

}  // namespace
}  // namespace hnx::test
