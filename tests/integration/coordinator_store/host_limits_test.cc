// Limits, pauses and breakers of upstream hosts: one for all replicas, workers and walks.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "coordinator/store/pg_breaker_store.h"
#include "store_rig.h"
#include "support/postgres_fixture.h"

namespace hnx::test {
namespace {

using coordinator::DesiredState;
using coordinator::HostAllowance;
using coordinator::HostLimits;
using coordinator::HostUseReport;
using coordinator::PgSynchronizer;

constexpr HostLimits kLimits{
    .bytes_per_second = 1'000, .requests_per_second = 10, .transfers_max = 8};

class HostLimitsTest : public testing::Test {
 protected:
  HostLimitsTest() {
    for (int replica = 0; replica < 2; ++replica) {
      replicas_.push_back(std::make_unique<PgSynchronizer>(
          *rig_.pool, rig_.job_limits, coordinator::FailurePolicyOptions{}, 1, kLimits));
    }
    for (int worker = 1; worker <= 4; ++worker) {
      workers_.push_back(std::make_unique<FakeWorker>(rig_, worker, upstream_));
    }
  }
  void Mirror(int paths) {
    upstream_ = FakeUpstream(static_cast<std::size_t>(paths));
    release_ = rig_.Submit(upstream_);
    rig_.Background();
  }
  // A call of one worker to one replica; what it is allowed is in force at once.
  HostAllowance Call(std::size_t worker, std::size_t replica, bool lose_answer = false) {
    auto report = workers_[worker]->Report();
    if (in_force_.contains(worker)) {
      report.hosts = {in_force_[worker]};
    }
    for (const auto& job : jobs_[worker]) {
      report.jobs.push_back({.job_id = job, .attempt = 1, .failures = {}});
    }
    const auto desired = replicas_[replica]->Synchronize(report);
    EXPECT_TRUE(desired.has_value());
    jobs_[worker].clear();
    for (const auto& job : desired->jobs) {
      jobs_[worker].push_back(job.job_id);
    }
    if (desired->hosts.empty()) {
      ADD_FAILURE() << "worker " << worker << " has jobs, but is told no limit";
      return {.host = {}, .limits = {}, .share = {}};
    }
    if (!lose_answer) {
      in_force_[worker] = {.host = desired->hosts[0].host, .share = desired->hosts[0].share};
    }
    return desired->hosts[0];
  }
  void ExpectWithinLimits() {
    double bytes = 0;
    double requests = 0;
    std::uint32_t transfers = 0;
    for (const auto& [worker, use] : in_force_) {
      bytes += static_cast<double>(use.share.bytes_per_second);
      requests += use.share.requests_per_second;
      transfers += use.share.transfers;
    }
    EXPECT_LE(bytes, 1'000);
    EXPECT_LE(requests, 10 + 1e-9);
    EXPECT_LE(transfers, 8U);
  }
  // A worker's report that its NARs failed so.
  void Fail(std::size_t worker, int nars, ErrorCode code, const std::string& reason,
            std::chrono::milliseconds retry_after = {}) {
    auto report = workers_[worker]->Report();
    report.capacity_bytes = 1'000;
    auto desired = rig_.synchronizer->Synchronize(report);
    ASSERT_TRUE(desired.has_value());
    auto again = workers_[worker]->Report();
    again.capacity_bytes = 0;
    for (const auto& job : desired->jobs) {
      coordinator::JobReport said{.job_id = job.job_id, .attempt = job.attempt, .failures = {}};
      for (const auto& nar : job.nars) {
        if (nars-- > 0) {
          said.failures.push_back({.nar_id = nar.nar_id,
                                   .reason = reason,
                                   .message = "the test says so",
                                   .code = code,
                                   .retry_after = retry_after});
        }
      }
      again.jobs.push_back(std::move(said));
    }
    ASSERT_LE(nars, 0) << "not so many NARs were leased";
    ASSERT_TRUE(rig_.synchronizer->Synchronize(again).has_value());
  }
  std::string Ask(const std::string& sql) { return Sql(rig_.uri, sql); }
  std::string Breaker() { return Ask("SELECT breaker FROM upstream_host"); }

  FakeUpstream upstream_;
  StoreRig rig_{PostgresFixture::Get().NewDatabase()};
  std::vector<std::unique_ptr<PgSynchronizer>> replicas_;
  std::vector<std::unique_ptr<FakeWorker>> workers_;
  std::map<std::size_t, HostUseReport> in_force_;
  std::map<std::size_t, std::vector<std::int64_t>> jobs_;
  coordinator::ReleaseId release_ = 0;
};

TEST_F(HostLimitsTest, TwoReplicasShareOneLimitOutToFourWorkers) {
  Mirror(100);
  for (int round = 0; round < 4; ++round) {
    for (std::size_t worker = 0; worker < 4; ++worker) {
      Call(worker, (worker + static_cast<std::size_t>(round)) % 2, round == 1 && worker == 2);
      ExpectWithinLimits();
    }
  }
  for (const auto& [worker, use] : in_force_) {
    EXPECT_EQ(use.share.bytes_per_second, 250U) << "worker " << worker;
    EXPECT_DOUBLE_EQ(use.share.requests_per_second, 2.5) << "worker " << worker;
    EXPECT_EQ(use.share.transfers, 2U) << "worker " << worker;
  }
  // What the first has in force counts, whatever was written down.
  Ask("UPDATE host_share SET bytes_per_second = 0 WHERE holder LIKE '%1' RETURNING 1");
  Call(0, 0, /*lose_answer=*/true);
  EXPECT_EQ(Ask("SELECT bytes_per_second FROM host_share WHERE holder LIKE '%1'"), "250");
}

TEST_F(HostLimitsTest, ADeadWorkersShareComesBackWhenItHasExpired) {
  Mirror(100);
  Call(0, 0);
  EXPECT_EQ(Call(1, 1).share.bytes_per_second, 0U) << "the first one has all of it";
  Ask("UPDATE host_share SET expires_at = clock_timestamp() WHERE holder LIKE '%1' RETURNING 1");
  EXPECT_EQ(Call(1, 0).share.bytes_per_second, 1'000U);
}

TEST_F(HostLimitsTest, AWorkerWithoutWorkGivesItsShareBack) {
  Mirror(4);
  Call(0, 0);
  ASSERT_TRUE(rig_.control->Cancel(release_, "r").has_value());
  auto report = workers_[0]->Report();
  ASSERT_TRUE(replicas_[0]->Synchronize(report).has_value());
  EXPECT_EQ(Ask("SELECT count(*) FROM host_share"), "0");
}

TEST_F(HostLimitsTest, TheWalkHoldsAShareToo) {
  Mirror(100);
  coordinator::PgWalkStore walk(*rig_.pool, *rig_.leader, kLimits, "walk of this one");
  Call(0, 0);
  const auto upstream = std::stoll(Ask("SELECT id FROM upstream"));
  const auto first = walk.ClaimShare(upstream, {});
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->share.bytes_per_second, 0U);
  EXPECT_EQ(Call(0, 1).share.bytes_per_second, 500U);
  Call(0, 1);
  EXPECT_EQ(walk.ClaimShare(upstream, {})->share.bytes_per_second, 500U);
}

TEST_F(HostLimitsTest, RetryAfterStopsAllWorkersAndTheWalk) {
  Mirror(40);
  Call(1, 1);
  Fail(0, 1, ErrorCode::kUnavailable, "http-429", std::chrono::seconds(60));
  EXPECT_GT(Call(1, 1).pause.count(), 50'000);
  const auto upstream = std::stoll(Ask("SELECT id FROM upstream"));
  EXPECT_GT(rig_.walk->ClaimShare(upstream, {})->pause.count(), 50'000);
  const std::size_t held = jobs_[1].size();
  Call(1, 0);
  EXPECT_EQ(jobs_[1].size(), held) << "nothing new is leased";
  EXPECT_EQ(Breaker(), "closed") << "it answers, and says when";
  EXPECT_EQ(Ask("SELECT failures_in_a_row FROM upstream_host"), "0");
}

TEST_F(HostLimitsTest, FailuresInARowOpenTheBreakerAndAProbeClosesIt) {
  Mirror(40);
  Fail(0, 4, ErrorCode::kUnavailable, "http-500");
  EXPECT_EQ(Breaker(), "closed");
  Fail(0, 1, ErrorCode::kDeadlineExceeded, "too-slow");
  EXPECT_EQ(Breaker(), "open");
  ASSERT_TRUE(workers_[1]->Call().has_value());
  EXPECT_EQ(workers_[1]->jobs(), 0U) << "an open breaker lets nothing through";

  coordinator::PgBreakerStore breakers(*rig_.pool, *rig_.leader, RetryPolicy{});
  EXPECT_FALSE(breakers.NextToProbe()->has_value()) << "not yet";
  const auto half_open = [&] {
    Ask("UPDATE upstream_host SET breaker_until = clock_timestamp() RETURNING 1");
    return *breakers.NextToProbe();
  };
  auto host = half_open();
  ASSERT_TRUE(host.has_value());
  EXPECT_EQ(host->upstream_url, "http://upstream");
  ASSERT_TRUE(breakers.EndProbe(*host, false).has_value());
  EXPECT_EQ(Breaker(), "open");
  EXPECT_FALSE(breakers.NextToProbe()->has_value()) << "it waits again";
  EXPECT_EQ(half_open()->opens, 2) << "and longer";
  ASSERT_TRUE(breakers.EndProbe(*half_open(), true).has_value());
  EXPECT_EQ(Breaker(), "closed");
  ASSERT_TRUE(workers_[1]->Call().has_value());
  EXPECT_GT(workers_[1]->jobs(), 0U);
}

TEST_F(HostLimitsTest, WhatFailsWhileTheBreakerIsOpenIsNotCountedAgainstNars) {
  Mirror(40);
  Fail(0, 4, ErrorCode::kUnavailable, "http-500");
  Ask("UPDATE upstream_host SET breaker = 'open' RETURNING 1");
  const std::string before = Ask("SELECT sum(attempts) FROM nar");
  Ask("UPDATE upstream_host SET breaker = 'closed' RETURNING 1");
  auto desired = workers_[1]->Call();
  ASSERT_TRUE(desired.has_value());
  ASSERT_FALSE(desired->jobs.empty());
  Ask("UPDATE upstream_host SET breaker = 'open' RETURNING 1");
  auto report = workers_[1]->Report();
  report.jobs[0].failures.push_back({.nar_id = desired->jobs[0].nars[0].nar_id,
                                     .reason = "http-500",
                                     .message = "m",
                                     .code = ErrorCode::kUnavailable});
  ASSERT_TRUE(rig_.synchronizer->Synchronize(report).has_value());
  EXPECT_EQ(Ask("SELECT sum(attempts) FROM nar"), before);
}

TEST_F(HostLimitsTest, AnAnswerOfAnyKindEndsARowOfFailures) {
  Mirror(40);
  Fail(0, 4, ErrorCode::kUnavailable, "http-500");
  Fail(0, 1, ErrorCode::kNotFound, "http-404");
  Fail(0, 4, ErrorCode::kUnavailable, "http-500");
  EXPECT_EQ(Breaker(), "closed");
  ASSERT_TRUE(workers_[1]->Call().has_value());
  workers_[1]->Work(1);
  ASSERT_TRUE(workers_[1]->Call().has_value());
  EXPECT_EQ(Ask("SELECT failures_in_a_row FROM upstream_host"), "0");
}

}  // namespace
}  // namespace hnx::test
