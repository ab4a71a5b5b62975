// What metrics and the status page are made of: counts that are right after whatever happened, at a
// cost that does not grow, in a bounded number of series.
#include <cstdio>
#include <fstream>
#include <map>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <pqxx/pqxx>

#include "coordinator/page/coordinator_metrics.h"
#include "coordinator/page/overview_service.h"
#include "coordinator/store/pg_overview_store.h"
#include "coordinator/store/sql/statements_embedded.h"
#include "store_rig.h"
#include "support/postgres_fixture.h"

namespace hnx::test {
namespace {

using coordinator::CoordinatorMetrics;
using coordinator::Overview;
using coordinator::OverviewService;
using coordinator::PgOverviewStore;

// Does something make a tool that operators have refuse the text?
void ExpectPromtoolAccepts(const std::string& text) {
  const std::string file = testing::TempDir() + "/metrics." + std::to_string(::getpid());
  std::ofstream(file) << text;
  EXPECT_EQ(std::system(("promtool check metrics <" + file).c_str()), 0) << text;
  std::remove(file.c_str());
}

class OverviewTest : public testing::Test {
 protected:
  void SetUp() override {
    metrics_.Show(service_);
    metrics_.Show(*rig_.pool);
    metrics_.Show(*rig_.leader);
    rig_.synchronizer->OnNews(
        [this](const coordinator::SynchronizeNews& news) { metrics_.Count(news); });
  }
  void Mirror(FakeUpstream upstream) {
    upstream_ = std::move(upstream);
    release_ = rig_.Submit(upstream_, "small");
    rig_.Background();
  }
  void Finish() {
    for (int i = 0; i < 60 && rig_.View(release_).state != "settled"; ++i) {
      ASSERT_TRUE(worker_.Call().has_value());
      worker_.Work(100);
      index_.Step();
      rig_.Background();
      ExpectCountsAreRight();
    }
    index_.PublishAll();
  }
  Overview Read() { return Must(store_.Read()); }
  // The counters say what a look at every row says.
  void ExpectCountsAreRight() {
    const auto by_row = [&](const char* table, const char* word) {
      return Ask(
          fmt::format("SELECT coalesce(string_agg(w || ' ' || n, ', ' ORDER BY w), '') FROM "
                      "(SELECT {} AS w, count(*) AS n FROM {} GROUP BY 1) c",
                      word, table));
    };
    const auto by_counter = [&](bool is_nar) {
      return Ask(
          fmt::format("SELECT coalesce(string_agg(w || ' ' || n, ', ' ORDER BY w), '') FROM "
                      "(SELECT state AS w, sum(amount) AS n FROM state_count WHERE is_nar = {} "
                      "GROUP BY 1 HAVING sum(amount) <> 0) c",
                      is_nar));
    };
    EXPECT_EQ(by_counter(false), by_row("path", "state::text"));
    EXPECT_EQ(by_counter(true), by_row("nar", "nar_word(state, needed)"));
  }
  // Of the series whose name and labels are exactly these; nothing: there is no such series.
  std::string Series(const std::string& name) {
    service_.RunOnce();
    const std::string text = "\n" + metrics_.registry().Serialize();
    const std::size_t at = text.find("\nhnx_coordinator_" + name + " ");
    if (at == std::string::npos) {
      return "";
    }
    const std::size_t end = text.find('\n', at + 1);
    const std::size_t begin = text.rfind(' ', end) + 1;
    return text.substr(begin, end - begin);
  }
  std::string Ask(const std::string& sql) { return Sql(rig_.uri, sql); }

  FakeUpstream upstream_;
  coordinator::ReleaseId release_ = 0;
  StoreRig rig_{PostgresFixture::Get().NewDatabase()};
  FakeWorker worker_{rig_, 1, upstream_};
  FakeIndex index_{rig_, upstream_};
  PgOverviewStore store_{*rig_.pool, *rig_.leader};
  OverviewService service_{store_};
  CoordinatorMetrics metrics_;
};

FakeUpstream WithFailures() {
  FakeUpstream upstream(12);
  upstream[1].references = {0};
  upstream[2].missing = true;
  upstream[3].references = {2};
  upstream[4].nar_failure = ErrorCode::kNotFound;
  upstream[4].nar_failures = 1'000;
  upstream[5].nar_failure = ErrorCode::kUnavailable;
  upstream[5].nar_failures = 1;
  return upstream;
}

TEST_F(OverviewTest, CountsOfStatesAreThoseOfTheRowsAfterEachStep) {
  Mirror(WithFailures());
  ExpectCountsAreRight();
  Finish();
  ASSERT_TRUE(store_.FoldStates().has_value());
  ExpectCountsAreRight();
  EXPECT_EQ(Ask("SELECT count(*) = count(DISTINCT (is_nar, state)) FROM state_count"), "t");
  // A disk is lost, and then everything retires.
  worker_.LoseDisk();
  ASSERT_TRUE(worker_.Call().has_value());
  rig_.Background();
  ExpectCountsAreRight();
  Ask("DELETE FROM path_elsewhere; DELETE FROM nar WHERE state = 'missing'");
  ExpectCountsAreRight();
}

TEST_F(OverviewTest, EachGaugeMovesWhenItsThingHappens) {
  EXPECT_EQ(Series("database_up"), "1");
  EXPECT_EQ(Series("queue_oldest_seconds"), "0");
  EXPECT_EQ(Series("worker_alive{worker=\"worker 1\"}"), "");
  EXPECT_EQ(Series("releases{state=\"mirroring\"}"), "");
  index_.Step();  // nothing is planned for an index that never came
  Mirror(WithFailures());
  // The path without a narinfo and the one that needs it have no part in it.
  EXPECT_EQ(Series("nars{state=\"wanted\"}"), "10");
  EXPECT_EQ(Series("nars{state=\"idle\"}"), "1");
  EXPECT_EQ(Series("paths{state=\"missing\"}"), "1");
  EXPECT_EQ(Series("releases{state=\"mirroring\"}"), "1");
  EXPECT_EQ(Series("channel_paths{channel=\"small\",state=\"blocked\"}"), "1");
  EXPECT_EQ(Series("channel_completeness_ratio{channel=\"small\"}"), "0");
  Ask("UPDATE nar SET changed_at = now() - interval '1 hour' WHERE state = 'wanted'");
  EXPECT_GE(std::stod(Series("queue_oldest_seconds")), 3600);
  EXPECT_EQ(Series("leases"), "0");
  ASSERT_TRUE(worker_.Call().has_value());
  EXPECT_NE(Series("leases"), "0");
  EXPECT_EQ(Series("worker_leases{worker=\"worker 1\"}"), Series("leases"));
  EXPECT_NE(Series("nars{state=\"leased\"}"), "0");
  EXPECT_EQ(Series("jobs_leased_total"), Series("leases"));
  EXPECT_EQ(Series("worker_alive{worker=\"worker 1\"}"), "1");
  Ask("UPDATE job SET leased_at = now() - interval '10 min'");
  EXPECT_GE(std::stod(Series("lease_oldest_seconds")), 600);
  for (int i = 0; i < 10; ++i) {
    worker_.Work(100);
    ASSERT_TRUE(worker_.Call().has_value());
  }
  EXPECT_EQ(Series("nar_failures_total{class=\"absent\",outcome=\"missing\"}"), "1");
  EXPECT_EQ(Series("nar_failures_total{class=\"passing\",outcome=\"wanted\"}"), "1");
  EXPECT_NE(Series("worker_shard_bytes{worker=\"worker 1\"}"), "0");
  EXPECT_NE(Series("worker_shard_length{worker=\"worker 1\"}"), "0");
  // Stored, and in no batch.
  EXPECT_NE(Series("publish_ready_paths"), "0");
  Ask("UPDATE path SET changed_at = now() - interval '2 hours' WHERE state = 'stored'");
  EXPECT_GE(std::stod(Series("publish_ready_oldest_seconds")), 7200);
  rig_.Background();
  EXPECT_EQ(Series("publish_ready_paths"), "0");
  EXPECT_NE(Series("publish_batches_pending"), "0");
  Ask("UPDATE publish_batch SET planned_at = now() - interval '3 hours'");
  EXPECT_GE(std::stod(Series("publish_batch_age_seconds")), 10'800);
  Finish();
  EXPECT_EQ(Series("publish_batches_pending"), "0");
  EXPECT_NE(Series("index_length"), "0");
  EXPECT_EQ(Series("paths{state=\"published\"}"), "9");
  EXPECT_EQ(Series("channel_completeness_ratio{channel=\"small\"}"), "0.75");
  EXPECT_NE(Series("channel_settled_timestamp_seconds{channel=\"small\"}"), "");
  EXPECT_EQ(Series("leader"), "1");
  ExpectPromtoolAccepts(metrics_.registry().Serialize());
}

TEST_F(OverviewTest, LostNarsComeBackOrAreGone) {
  FakeUpstream upstream(6);
  Mirror(std::move(upstream));
  Finish();
  EXPECT_EQ(Series("nars_lost{state=\"coming\"}"), "0");
  worker_.LoseDisk();
  ASSERT_TRUE(worker_.Call().has_value());
  rig_.Background();
  EXPECT_EQ(Series("nars_lost{state=\"coming\"}"), "6");
  EXPECT_EQ(Series("nars_lost{state=\"gone\"}"), "0");
  upstream_[0].nar_failure = ErrorCode::kNotFound;
  upstream_[0].nar_failures = 1'000;
  for (int i = 0; i < 10; ++i) {
    worker_.Work(100);
    ASSERT_TRUE(worker_.Call().has_value());
    rig_.Background();
    index_.Step();
  }
  EXPECT_EQ(Series("nars_lost{state=\"coming\"}"), "0");
  EXPECT_EQ(Series("nars_lost{state=\"gone\"}"), "1");
}

TEST_F(OverviewTest, AChannelIsLateSinceItPointedElsewhere) {
  Ask("INSERT INTO channel (name, followed, seen_name, seen_at, polled_at) VALUES "
      "('small', true, 'r1', now() - interval '1 hour', now())");
  EXPECT_GE(std::stod(Series("channel_lag_seconds{channel=\"small\"}")), 3600);
  Mirror(FakeUpstream(2));
  Finish();
  EXPECT_EQ(rig_.View(release_).latest, true);
  EXPECT_EQ(Series("channel_lag_seconds{channel=\"small\"}"), "0");
  EXPECT_NE(Series("channel_polled_timestamp_seconds{channel=\"small\"}"), "");
  Ask("UPDATE channel SET seen_name = 'r2', seen_at = now() - interval '5 min'");
  const double lag = std::stod(Series("channel_lag_seconds{channel=\"small\"}"));
  EXPECT_GE(lag, 300);
  EXPECT_LT(lag, 3600);
}

TEST_F(OverviewTest, HostsAreSeenHeldBackPausedAndLeftAlone) {
  Mirror(FakeUpstream(1));
  EXPECT_EQ(Series("upstream_breaker_open{host=\"upstream\"}"), "0");
  EXPECT_EQ(Series("upstream_held_back_seconds{host=\"upstream\"}"), "0");
  Ask("UPDATE upstream_host SET breaker = 'open', paused_until = now() + interval '1 hour', "
      "paused_at = now(), pause_reason = 'x' WHERE host = 'upstream'");
  EXPECT_EQ(Series("upstream_breaker_open{host=\"upstream\"}"), "1");
  EXPECT_EQ(Series("upstream_paused{host=\"upstream\"}"), "1");
  EXPECT_GT(std::stod(Series("upstream_held_back_seconds{host=\"upstream\"}")), 3000);
}

TEST_F(OverviewTest, TheNumberOfSeriesIsBoundedWhateverThereIs) {
  Ask("INSERT INTO upstream (url) SELECT 'https://host' || n || '.example' FROM "
      "generate_series(1, 500) n");
  Ask("INSERT INTO release (channel, name, upstream_id, max_missing, state, is_list) SELECT "
      "'list' || n % 700, 'r' || n, (SELECT min(id) FROM upstream), 0, 'mirroring', true FROM "
      "generate_series(1, 5000) n");
  Ask("INSERT INTO channel (name, followed, seen_name, seen_at) SELECT 'channel' || n, true, 'x', "
      "now() FROM generate_series(1, 300) n");
  Ask("INSERT INTO worker (id, name, incarnation, nonce) SELECT lpad(n::text, 32, '0'), 'worker ' "
      "|| n % 400, 1, 1 FROM generate_series(1, 1000) n");
  for (int i = 0; i < 1'000; ++i) {
    metrics_.ObserveCall("Method" + std::to_string(i), "OK", std::chrono::seconds(1));
  }
  service_.RunOnce();
  const std::string text = metrics_.registry().Serialize();
  std::map<std::string, int> series;
  std::set<std::string> all;
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    const std::string line = text.substr(at, text.find('\n', at) - at);
    if (!line.starts_with("#")) {
      ++series[line.substr(0, line.find_first_of("{ "))];
      EXPECT_TRUE(all.insert(line.substr(0, line.rfind(' '))).second) << "twice: " << line;
    }
  }
  for (const auto& [name, count] : series) {
    const bool per_method = name.find("_rpc_") != std::string::npos;
    EXPECT_LE(count, per_method ? 600 : 500) << name;
  }
  EXPECT_EQ(series["hnx_coordinator_channel_lag_seconds"], coordinator::kOverviewChannelsMax);
  EXPECT_EQ(series["hnx_coordinator_upstream_paused"], coordinator::kOverviewHostsMax);
  EXPECT_LE(series["hnx_coordinator_worker_alive"], coordinator::kOverviewWorkersMax);
  ExpectPromtoolAccepts(text);
}

TEST_F(OverviewTest, NoStatementLooksAtEveryPathOrNar) {
  // Rows enough that a scan would be the planner's choice where it had none.
  Ask("INSERT INTO upstream (url) VALUES ('http://upstream')");
  Ask("ALTER TABLE path DISABLE TRIGGER USER; ALTER TABLE nar DISABLE TRIGGER USER");
  Ask("INSERT INTO narinfo (content) VALUES ('x')");
  Ask("INSERT INTO nar (upstream_id, url, file, nar_hash, nar_size, compression, narinfo_id, "
      "needed, "
      "lane) SELECT (SELECT id FROM upstream), 'nar/' || n, 'f' || n, sha256(n::text::bytea), 1, "
      "'xz', 1, true, 1 FROM generate_series(1, 20000) n");
  Ask("INSERT INTO path (hash, name, state, narinfo_id, nar_id, needed) SELECT lpad(n::text, 32, "
      "'0'), 'p' || n, 'known', 1, n, true FROM generate_series(1, 20000) n");
  Ask("UPDATE path SET state = 'missing', reason = 'http-404' WHERE id % 400 = 0");
  Ask("INSERT INTO release (channel, name, upstream_id, max_missing, state) VALUES ('c', 'r', "
      "(SELECT "
      "id FROM upstream), 0, 'mirroring')");
  Ask("INSERT INTO release_path (release_id, path_id, is_root) SELECT (SELECT id FROM release), "
      "id, "
      "true FROM path");
  Ask("INSERT INTO event (path_id, what) SELECT id, 'missing upstream' FROM path");
  Ask("ANALYZE");
  pqxx::connection connection(rig_.uri);
  pqxx::work work(connection);
  const auto plan_of = [&](std::string_view statement, auto... arguments) {
    std::string plan;
    const std::string explain = "EXPLAIN " + std::string(statement);
    for (const pqxx::row& row : work.exec_params(explain, arguments...)) {
      plan += row[0].as<std::string>() + "\n";
    }
    return plan;
  };
  namespace sql = coordinator::sql;
  for (const std::string& plan :
       {plan_of(sql::kOverviewMirror), plan_of(sql::kOverviewStates),
        plan_of(sql::kOverviewQueue, 100, 1000), plan_of(sql::kOverviewLosses, 1000),
        plan_of(sql::kOverviewReleaseStates), plan_of(sql::kOverviewChannels, 100),
        plan_of(sql::kOverviewReleases, "{1}", 20), plan_of(sql::kOverviewWorkers, 15000, 200),
        plan_of(sql::kOverviewHosts, 100), plan_of(sql::kOverviewEvents, 2000, 20),
        plan_of(sql::kFailuresOfRelease, 1, "", "", 51)}) {
    for (const char* scan :
         {"Seq Scan on path", "Seq Scan on nar", "Seq Scan on release_path", "Seq Scan on event"}) {
      EXPECT_EQ(plan.find(scan), std::string::npos) << plan;
    }
  }
}

TEST_F(OverviewTest, FailuresComeAPageAtATimeAndByTheirBeginning) {
  FakeUpstream upstream(30);
  for (std::size_t i = 0; i < upstream.size(); i += 2) {
    upstream[i].missing = true;
    upstream[i].name = i == 4 ? "hello-2.10" : "p";
  }
  upstream[5].references = {4};
  Mirror(std::move(upstream));
  std::vector<std::string> seen;
  std::string after;
  do {
    const auto page = Must(store_.Failures(release_, after, "", 4));
    EXPECT_LE(page.failures.size(), 4U);
    for (const auto& failure : page.failures) {
      seen.push_back(failure.store_path);
    }
    after = page.next;
  } while (!after.empty());
  EXPECT_EQ(seen.size(), 16U);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  const auto hello = Must(store_.Failures(release_, "", "hello", 10));
  ASSERT_EQ(hello.failures.size(), 1U);
  EXPECT_EQ(hello.failures[0].store_path, "/nix/store/" + HashOf(4) + "-hello-2.10");
  EXPECT_EQ(hello.failures[0].state, "missing");
  const auto blocked = Must(store_.Failures(release_, "", HashOf(5), 10));
  ASSERT_EQ(blocked.failures.size(), 1U);
  EXPECT_EQ(blocked.failures[0].blocked_by, hello.failures[0].store_path);
  EXPECT_TRUE(Must(store_.Failures(release_, "", "%", 10)).failures.empty());
  EXPECT_EQ(store_.Failures(release_ + 100, "", "", 10).error().code, ErrorCode::kNotFound);
}

TEST_F(OverviewTest, WhatTheDatabaseDoesNotSayIsNotRepeated) {
  Mirror(FakeUpstream(1));
  EXPECT_NE(Series("index_length"), "");
  Ask("ALTER TABLE state_count RENAME TO hidden");
  EXPECT_EQ(Series("database_up"), "0");
  EXPECT_EQ(Series("index_length"), "");
  EXPECT_NE(service_.Last()->overview, nullptr);
  Ask("ALTER TABLE hidden RENAME TO state_count");
  EXPECT_EQ(Series("database_up"), "1");
  EXPECT_NE(Series("index_length"), "");
}

}  // namespace
}  // namespace hnx::test
