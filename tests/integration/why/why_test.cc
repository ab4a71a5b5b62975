// `coordinator why` on the way of a path into the index: one test for each thing that a path may
// be or wait for. The paths are brought there by the coordinator's own operations.
#include <chrono>
#include <memory>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "coordinator/domain/failure_policy.h"
#include "coordinator/store/pg_copy_planner.h"
#include "support/postgres_fixture.h"
#include "why_rig.h"

namespace hnx::test {
namespace {

using coordinator::PauseTarget;
using coordinator::ReleaseId;

class WhyTest : public testing::Test {
 protected:
  // Submits all paths; their narinfos have yet to be read.
  ReleaseId SubmitOnly(FakeUpstream upstream) {
    upstream_ = std::move(upstream);
    const coordinator::NewRelease submission{.channel = "paths",
                                             .upstream_url = "http://upstream",
                                             .match = {},
                                             .exclude = {},
                                             .plan_only = false,
                                             .force = true,
                                             .max_missing = 1,
                                             .priority = 0,
                                             .is_list = true};
    const ReleaseId release = Must(rig_.releases->Submit(submission)).release;
    std::vector<coordinator::PathName> roots;
    for (std::size_t path = 0; path < upstream_.size(); ++path) {
      roots.push_back({HashOf(static_cast<int>(path)), upstream_[path].name});
    }
    Must(rig_.releases->AddListRoots(release, roots));
    Must(rig_.releases->NameList(release, "r1", submission));
    return release;
  }
  // Submits, walks and plans them.
  ReleaseId Mirror(FakeUpstream upstream) {
    upstream_ = std::move(upstream);
    const ReleaseId release = rig_.Submit(upstream_);
    rig_.Background();
    return release;
  }
  void MirrorToTheEnd(FakeUpstream upstream) {
    Mirror(std::move(upstream));
    worker_.WorkOff();
    index_.PublishAll();
  }
  // The worker calls and takes nothing.
  void Greet(FakeWorker& worker) {
    auto report = worker.Report();
    report.capacity_bytes = 0;
    Must(rig_.synchronizer->Synchronize(report));
  }
  // The worker reports that the first NAR that it is given failed so.
  void Fail(ErrorCode code, const std::string& reason, std::chrono::milliseconds retry_after = {}) {
    const auto desired = Must(worker_.Call());
    ASSERT_FALSE(desired.jobs.empty());
    auto report = worker_.Report();
    report.capacity_bytes = 0;
    for (auto& job : report.jobs) {
      for (const auto& given : desired.jobs) {
        if (given.job_id == job.job_id) {
          job.failures.push_back({.nar_id = given.nars[0].nar_id,
                                  .reason = reason,
                                  .message = "the test says so",
                                  .code = code,
                                  .retry_after = retry_after});
        }
      }
    }
    Must(rig_.synchronizer->Synchronize(report));
  }
  // What fails is tried again after an hour, not after a millisecond.
  void WaitLong() {
    coordinator::FailurePolicyOptions policy;
    policy.transient.base = policy.transient.cap = std::chrono::hours(1);
    rig_.synchronizer =
        std::make_unique<coordinator::PgSynchronizer>(*rig_.pool, rig_.job_limits, policy, 1);
  }
  coordinator::FrontierPath FirstOfFrontier(ReleaseId release) {
    return Must(rig_.walk->NextFrontier(release, 0, 1, {})).paths.at(0);
  }
  void SaveFailure(ReleaseId release, const coordinator::PathFailure& failure) {
    Must(rig_.walk->SaveWalkResults(release, {}, std::span(&failure, 1)));
  }
  nlohmann::json Why(int path) { return WhyOf(rig_, path); }
  std::string Ask(const std::string& sql) { return Sql(rig_.uri, sql); }

  FakeUpstream upstream_;
  StoreRig rig_{PostgresFixture::Get().NewDatabase()};
  FakeWorker worker_{rig_, 1, upstream_};
  FakeWorker other_{rig_, 2, upstream_};
  FakeIndex index_{rig_, upstream_};
};

TEST_F(WhyTest, APathThatNobodyNamedIsNotKnownAndWhatWouldBringItIsSaid) {
  const auto why = rig_.releases->Why(HashOf(7));
  ASSERT_FALSE(why.has_value());
  EXPECT_EQ(why.error().code, ErrorCode::kNotFound);
  EXPECT_NE(why.error().message.find(HashOf(7)), std::string::npos);
  EXPECT_NE(why.error().message.find("coordinator submit --path"), std::string::npos);
}

TEST_F(WhyTest, ItsNarInfoHasYetToBeRead) {
  const ReleaseId release = SubmitOnly({{.name = "hello"}});
  const auto why = Why(0);
  ExpectWhy(why, "discovered", "narinfo_wanted", "its narinfo has not been read yet");
  EXPECT_EQ(why["store_path"], "/nix/store/" + HashOf(0) + "-hello");
  EXPECT_EQ(why["walk"]["release_id"], release);
  EXPECT_TRUE(why["nar"].is_null());
  EXPECT_EQ(why["needed_by"][0]["state"], "walking");
  EXPECT_EQ(why["needed_by"][0]["root"], true);
}

TEST_F(WhyTest, ItsNarInfoIsAskedForAgainLater) {
  const std::vector<coordinator::ConfiguredUpstream> two{
      {.url = "http://upstream", .public_keys = {}}, {.url = "http://second", .public_keys = {}}};
  const auto ids = Must(rig_.walk->ConfigureUpstreams(two));
  const ReleaseId release = SubmitOnly({{}});
  SaveFailure(release, {.path = FirstOfFrontier(release).path,
                        .verdict = coordinator::PathFailure::Verdict::kLater,
                        .reason = "http-500",
                        .message = "upstream is in trouble",
                        .attempts = 2,
                        .retry_in = std::chrono::minutes(5),
                        .ruled_out = {ids.at(1)},
                        .refused_reason = "bad-signature",
                        .refused_message = "it is signed by nobody"});
  const auto why = Why(0);
  ExpectWhy(why, "discovered", "retrying", "after 2 failed attempts");
  EXPECT_EQ(why["walk"]["attempts"], 2);
  EXPECT_GT(why["walk"]["next_try_ms"].get<std::int64_t>(), why["since_ms"].get<std::int64_t>());
  EXPECT_EQ(why["walk"]["ruled_out"], nlohmann::json::array({"http://second"}));
  EXPECT_EQ(why["walk"]["reason"], "bad-signature");
}

TEST_F(WhyTest, ItsNarInfoWaitsForAPausedReleaseUpstreamOrMirror) {
  const ReleaseId release = SubmitOnly({{}});
  const std::vector<std::pair<PauseTarget, std::string>> pauses{
      {{.kind = PauseTarget::Kind::kRelease, .release = release}, "its release is paused: lunch"},
      {{.kind = PauseTarget::Kind::kUpstream, .name = "upstream"}, "its upstream is paused: lunch"},
      {{}, "everything is paused: lunch"}};
  for (const auto& [target, words] : pauses) {
    Must(rig_.control->Pause(target, "lunch"));
    const auto why = Why(0);
    ExpectWhy(why, "discovered", "paused", words);
    EXPECT_NE(why["advice"].get<std::string>().find("coordinator resume"), std::string::npos);
    Must(rig_.control->Resume(target));
  }
  ExpectWhy(Why(0), "discovered", "narinfo_wanted", "");
}

TEST_F(WhyTest, APathOfACancelledReleaseSaysSoReadOrNot) {
  const ReleaseId unread = SubmitOnly({{}});
  Must(rig_.control->Cancel(unread, "too much"));
  auto why = Why(0);
  ExpectWhy(why, "discovered", "unneeded", "is cancelled");
  EXPECT_NE(why["explanation"].get<std::string>().find("too much"), std::string::npos) << why;
  EXPECT_EQ(why["needed_by"][0]["state"], "cancelled");
  const ReleaseId read = Mirror({{}});
  Must(rig_.control->Cancel(read, "still too much"));
  rig_.Background();
  why = Why(0);
  ExpectWhy(why, "known", "unneeded", "still too much");
  EXPECT_EQ(why["nar"]["needed"], false);
  EXPECT_EQ(why["needed_by_count"], 2);
}

TEST_F(WhyTest, ItIsReadAndItsReleaseHasYetToBePlanned) {
  upstream_ = {{}};
  rig_.Submit(upstream_);
  ExpectWhy(Why(0), "known", "planning", "its narinfo is verified");
}

TEST_F(WhyTest, ItsReleaseWasOnlyPlanned) {
  upstream_ = {{}};
  rig_.Submit(upstream_, "paths", true);
  rig_.Background();
  const auto why = Why(0);
  ExpectWhy(why, "known", "planned", "was only planned");
  EXPECT_NE(why["advice"].get<std::string>().find("coordinator submit"), std::string::npos);
}

TEST_F(WhyTest, ItsNarWaitsForAWorkerAndThereIsNoneOrNoneThatMayWork) {
  Mirror({{.file_size = 123}});
  ExpectWhy(Why(0), "known", "no_worker", "no worker with the role mirror calls");
  Greet(worker_);
  const auto why = Why(0);
  ExpectWhy(why, "known", "nar_wanted", "its NAR waits for a worker");
  EXPECT_EQ(why["nar_url"], "http://upstream/nar/" + FileOf(0));
  EXPECT_EQ(why["nar"]["file"], FileOf(0));
  EXPECT_EQ(why["nar"]["file_size"], 123);
  EXPECT_EQ(why["nar"]["nar_size"], 1000);
  EXPECT_EQ(why["nar"]["nar_hash"].get<std::string>().size(), 7U + 52U);
  EXPECT_EQ(why["upstream"], "http://upstream");
  EXPECT_TRUE(why["place"].is_null());
  Must(rig_.control->Pause({.kind = PauseTarget::Kind::kWorker, .name = "worker 1"}, "lunch"));
  ExpectWhy(Why(0), "known", "no_worker", "paused, leaving, or without room");
}

TEST_F(WhyTest, ItsNarIsBeingFetchedByAWorkerWithALease) {
  Mirror({{}});
  Must(worker_.Call());
  const auto why = Why(0);
  ExpectWhy(why, "known", "fetching", "is being fetched by worker worker 1");
  const auto& lease = why["lease"];
  EXPECT_EQ(lease["worker_id"], fmt::format("{:032x}", 1));
  EXPECT_EQ(lease["worker_name"], "worker 1");
  EXPECT_EQ(lease["attempt"], 1);
  EXPECT_GT(lease["expires_at_ms"], lease["leased_at_ms"]);
  EXPECT_EQ(std::to_string(lease["job_id"].get<int>()), Ask("SELECT id FROM job"));
  EXPECT_EQ(why["nar"]["leases"], 1);
}

TEST_F(WhyTest, ItsNarIsTriedAgainAndEachAttemptIsTold) {
  WaitLong();
  Mirror({{}});
  Fail(ErrorCode::kUnavailable, "http-500");
  const auto why = Why(0);
  ExpectWhy(why, "known", "retrying", "after 1 failed attempt (last: http-500)");
  EXPECT_EQ(why["nar"]["attempts"], 1);
  EXPECT_EQ(why["nar"]["reason"], "http-500");
  EXPECT_EQ(why["nar"]["message"], "the test says so");
  EXPECT_GT(why["nar"]["next_try_ms"].get<std::int64_t>(), why["since_ms"].get<std::int64_t>());
  EXPECT_TRUE(why["lease"].is_null());
  const auto& told = why["history"].back();
  EXPECT_NE(told["what"].get<std::string>().find("http-500"), std::string::npos) << why["history"];
  EXPECT_NE(told["what"].get<std::string>().find("worker 1"), std::string::npos) << why["history"];
}

TEST_F(WhyTest, ItsNarWaitsForAPauseTheUpstreamsTimeOrAnOpenBreaker) {
  WaitLong();
  const ReleaseId release = Mirror(FakeUpstream(12));
  Greet(worker_);
  const PauseTarget target{.kind = PauseTarget::Kind::kRelease, .release = release};
  Must(rig_.control->Pause(target, "lunch"));
  ExpectWhy(Why(11), "known", "paused", "its NAR waits because its release is paused: lunch");
  Must(rig_.control->Resume(target));
  Fail(ErrorCode::kUnavailable, "http-429", std::chrono::minutes(10));
  ExpectWhy(Why(11), "known", "held_back", "upstream asked for a pause until 20");
}

TEST_F(WhyTest, ItsNarWaitsForAnUpstreamThatFailsTimeAndAgain) {
  WaitLong();
  Mirror(FakeUpstream(12));
  for (int failure = 0; failure < 5 && Ask("SELECT breaker FROM upstream_host") == "closed";
       ++failure) {
    Fail(ErrorCode::kUnavailable, "http-500");
  }
  ASSERT_EQ(Ask("SELECT breaker FROM upstream_host"), "open");
  ExpectWhy(Why(11), "known", "upstream_down", "upstream fails time and again");
}

TEST_F(WhyTest, ItsNarIsLookedForElsewhere) {
  const std::vector<coordinator::ConfiguredUpstream> two{
      {.url = "http://upstream", .public_keys = {}}, {.url = "http://second", .public_keys = {}}};
  Must(rig_.walk->ConfigureUpstreams(two));
  Mirror({{.nar_failure = ErrorCode::kNotFound, .nar_failures = 1}});
  worker_.WorkOff();
  const auto why = Why(0);
  ExpectWhy(why, "known", "elsewhere",
            "http://upstream could not give its NAR (made-up); the other upstreams are asked");
  EXPECT_EQ(why["nar"]["state"], "missing");
}

TEST_F(WhyTest, ItIsStoredAndWhereIsSaidWithAllLengths) {
  Mirror({{}, {.file_size = 300}});
  worker_.WorkOff();
  auto why = Why(1);
  ExpectWhy(why, "stored", "no_index", "no worker with the role index has come");
  const auto& place = why["place"];
  const coordinator::ShardEntry& entry = worker_.files().at(FileOf(1));
  EXPECT_EQ(place["worker_name"], "worker 1");
  EXPECT_EQ(place["worker_alive"], true);
  EXPECT_EQ(place["shard_z32"], why["shard_z32"]);
  EXPECT_EQ(place["shard_key"], Ask("SELECT encode(key, 'hex') FROM shard"));
  EXPECT_EQ(place["shard_length"], worker_.head.db_length);
  EXPECT_EQ(place["content_length"], worker_.head.content_length);
  EXPECT_EQ(place["content_bytes"], worker_.head.content_byte_length);
  EXPECT_EQ(place["block_offset"], entry.blob.block_offset);
  EXPECT_EQ(place["block_length"], 1);
  EXPECT_EQ(place["byte_offset"], entry.blob.byte_offset);
  EXPECT_EQ(place["byte_length"], 300);
  index_.Step();
  ExpectWhy(Why(1), "stored", "ready", "it is about to be published");
}

TEST_F(WhyTest, ItIsStoredAndWaitsForWhatItRefersTo) {
  WaitLong();
  index_.Step();
  Mirror({{.nar_failure = ErrorCode::kUnavailable, .nar_failures = 1}, {.references = {0}}});
  worker_.WorkOff();
  rig_.Background();
  const auto why = Why(1);
  ExpectWhy(why, "stored", "waits_for_references", "waits for 1 reference that is not published");
  EXPECT_EQ(why["waiting_for"], nlohmann::json::array({HashOf(0) + "-p"}));
  EXPECT_EQ(why["waiting_for_count"], 1);
  EXPECT_NE(why["advice"].get<std::string>().find(HashOf(0)), std::string::npos);
}

TEST_F(WhyTest, ItIsStoredAndWaitsForACopyOnAnotherWorker) {
  rig_.publisher = std::make_unique<coordinator::PgPublishStore>(
      *rig_.pool, *rig_.leader, rig_.description,
      coordinator::PublishLimits{
          .batch_paths_max = 5, .batch_wait_ms = 0, .await_copies_ms = 600'000});
  for (FakeWorker* worker : {&worker_, &other_}) {
    worker->failure_domain = worker == &worker_ ? "rack 1" : "rack 2";
    worker->peer_address = "host:1";
  }
  index_.Step();
  Mirror({{}});
  worker_.WorkOff();
  Greet(other_);
  coordinator::PgCopyPlanner planner(*rig_.pool, *rig_.leader, 1);
  Must(planner.AssignStep());
  rig_.Background();
  auto why = Why(0);
  ExpectWhy(why, "stored", "waits_for_copy", "until worker worker 2 holds it too");
  EXPECT_EQ(why["place"]["copies_to_come"], nlohmann::json::array({"worker 2"}));
  other_.copies = {{.key = worker_.key,
                    .version = worker_.head.db_length,
                    .content_length = worker_.head.content_length,
                    .bytes = worker_.head.content_byte_length}};
  Greet(other_);
  why = Why(0);
  ExpectWhy(why, "stored", "ready", "about to be published");
  EXPECT_EQ(why["place"]["copies"], nlohmann::json::array({"worker 2"}));
}

TEST_F(WhyTest, ItIsInABatchThatTheIndexHasYetToAppendAndThenItIsPublished) {
  index_.Step();
  Mirror({{}});
  worker_.WorkOff();
  rig_.Background();
  auto why = Why(0);
  ExpectWhy(why, "published", "publishing", "in publish batch 1, the index drive has come to 0");
  EXPECT_TRUE(why["publication"]["applied_at_ms"].is_null());
  index_.PublishAll();
  why = Why(0);
  ExpectWhy(why, "published", "published", "the index drive holds its narinfo");
  EXPECT_EQ(why["advice"], "");
  const auto& publication = why["publication"];
  EXPECT_EQ(publication["batch"], 1);
  EXPECT_GE(publication["applied_at_ms"], publication["planned_at_ms"]);
  EXPECT_EQ(std::to_string(publication["index_length"].get<int>()),
            Ask("SELECT db_length FROM publish_batch WHERE batch = 1"));
  EXPECT_EQ(publication["index_z32"].get<std::string>().size(), 52U);
  EXPECT_EQ(why["nar"]["linked_batch"], 1);
  EXPECT_EQ(why["needed_by"][0]["state"], "settled");
  EXPECT_GE(why["history"].size(), 2U);
}

TEST_F(WhyTest, ItIsMissingUpstreamAcceptedAskedForAgainAndWhatNeedsItIsBlocked) {
  const ReleaseId release = Mirror({{.missing = true}, {.references = {0}}});
  auto why = Why(0);
  ExpectWhy(why, "missing", "missing", "missing upstream (http-404): gone");
  EXPECT_EQ(why["reason"], "http-404");
  EXPECT_NE(why["advice"].get<std::string>().find("coordinator failures retry"), std::string::npos);
  why = Why(1);
  ExpectWhy(why, "blocked", "blocked", "it is missing upstream (http-404)");
  EXPECT_EQ(why["blocked_by"], "/nix/store/" + HashOf(0) + "-p");
  const coordinator::FailureSelection first{.release = release, .hashes = {HashOf(0)}};
  Must(rig_.control->Accept(first, "gone for good"));
  why = Why(0);
  ExpectWhy(why, "missing", "accepted", ": gone for good");
  EXPECT_EQ(why["accepted"], "gone for good");
  EXPECT_FALSE(why["accepted_at_ms"].is_null());
  Must(rig_.control->Retry(first));
  ExpectWhy(Why(0), "missing", "asked_again", "asks for its narinfo again");
}

TEST_F(WhyTest, ItWasSetAsideByTheWalkOrBecauseItsNarIsDamaged) {
  const ReleaseId unread = SubmitOnly({{}});
  SaveFailure(unread, {.path = FirstOfFrontier(unread).path,
                       .verdict = coordinator::PathFailure::Verdict::kSetAside,
                       .reason = "bad-signature",
                       .message = "it is signed by nobody"});
  auto why = Why(0);
  ExpectWhy(why, "set_aside", "set_aside", "set aside (bad-signature): it is signed by nobody");
  EXPECT_TRUE(why["nar"].is_null());
  Must(rig_.control->Cancel(unread, ""));
  Mirror({{.missing = true}, {.nar_failure = ErrorCode::kDataLoss, .nar_failures = 2}});
  worker_.WorkOff();
  rig_.Background();
  why = Why(1);
  ExpectWhy(why, "set_aside", "set_aside", "set aside (made-up)");
  EXPECT_EQ(why["nar"]["state"], "set_aside");
  EXPECT_EQ(why["nar"]["attempts"], 2);
}

TEST_F(WhyTest, ItsNarWasLostWithAShardAndComesBackOrCannot) {
  MirrorToTheEnd({{}, {}});
  worker_.LoseDisk();
  Must(worker_.Call());
  rig_.Background();
  auto why = Why(1);
  ExpectWhy(why, "published", "coming_back",
            "the shard with its NAR was lost with worker worker 1, and its NAR");
  EXPECT_EQ(why["nar"]["lost_worker"], "worker 1");
  EXPECT_EQ(why["nar"]["lost_shard_z32"].get<std::string>().size(), 52U);
  EXPECT_TRUE(why["place"].is_null());
  upstream_[1].nar_failure = ErrorCode::kNotFound;
  upstream_[1].nar_failures = 2;  // the first one counted when it was mirrored
  other_.WorkOff();
  rig_.Background();
  why = Why(1);
  ExpectWhy(why, "published", "lost", "could not be brought back (made-up)");
  EXPECT_NE(why["advice"], "");
  ExpectWhy(Why(0), "published", "published", "");
}

TEST_F(WhyTest, ItWasStoredLostAndQueuedAgainBeforeItWasPublished) {
  index_.Step();
  Mirror({{}});
  worker_.WorkOff();
  worker_.LoseDisk();
  Greet(worker_);
  rig_.Background();
  const auto why = Why(0);
  ExpectWhy(why, "known", "nar_wanted",
            "it was stored, and lost with a shard of worker worker 1; its NAR waits for a worker");
}

TEST_F(WhyTest, AHistoryOfAnyLengthIsToldUpToItsEnd) {
  Mirror({{}});
  Ask("INSERT INTO event (path_id, what) SELECT id, 'event ' || n FROM path, "
      "generate_series(1, 300) n RETURNING 1");
  const auto why = Why(0);
  EXPECT_EQ(why["history"].size(), 200U);
  EXPECT_EQ(why["history"].back()["what"], "event 300");
}

}  // namespace
}  // namespace hnx::test
