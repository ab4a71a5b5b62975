// What a path costs the database does not depend on how many there are, also while PostgreSQL
// believes that the tables are empty.
#include <set>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "store_rig.h"
#include "support/postgres_fixture.h"

namespace hnx::test {
namespace {

constexpr std::int64_t kChunkPaths = 50;

// Each path refers to a few with smaller numbers, in a dozen levels.
FakeUpstream Graph(int paths) {
  FakeUpstream upstream(static_cast<std::size_t>(paths));
  for (int path = 1; path < paths; ++path) {
    std::set<int> references;
    for (const int share : {2, 3, 5, 7}) {
      references.insert(path / share);
    }
    upstream[static_cast<std::size_t>(path)].references.assign(references.begin(),
                                                               references.end());
  }
  return upstream;
}

// Two releases of the same paths are walked and planned, and the NARs stored.
void Mirror(const std::string& uri, int paths) {
  StoreRig rig(uri);
  Sql(uri, "ANALYZE");
  rig.expand_limit = rig.frontier_limit = 500;
  rig.root_batch = kChunkPaths;
  coordinator::JobLimits limits;
  limits.job_nars_max = kChunkPaths;
  rig.synchronizer = std::make_unique<coordinator::PgSynchronizer>(
      *rig.pool, limits, coordinator::FailurePolicyOptions(), 1);
  rig.planner = std::make_unique<coordinator::PgPlanStore>(
      *rig.pool, *rig.leader, coordinator::PlanStoreOptions{.chunk_paths = kChunkPaths});
  rig.lanes = std::make_unique<coordinator::PgLaneStore>(*rig.pool, *rig.leader, kChunkPaths);
  const FakeUpstream upstream = Graph(paths);
  for (const char* release : {"first", "second"}) {
    rig.Submit(upstream, release);
    rig.Plan();
  }
  FakeWorker worker(rig, 1, upstream);
  do {
    Must(worker.Call());
    worker.Work(paths);
  } while (worker.jobs() > 0);
}

// Rows and index entries that PostgreSQL looked at in the tables that work is done from. (Others
// are small here, and read whole.)
double ReadsPerPath(int paths) {
  const std::string uri = PostgresFixture::Get().NewDatabase();
  Mirror(uri, paths);
  // What a session read is counted at the latest when it has ended.
  while (Sql(uri,
             "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
             "pg_backend_pid()") != "0") {
    std::this_thread::yield();
  }
  const std::string tables =
      "WHERE relname IN ('release_frontier', 'plan_work', 'plan_ready', 'path', 'path_reference', "
      "'release_path', 'release_nar', 'nar')";
  const std::string reads =
      Sql(uri, "SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables " + tables +
                   ") + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes " + tables + ")");
  const std::string stored = Sql(uri, "SELECT count(*) FROM path WHERE state = 'stored'");
  EXPECT_EQ(stored, std::to_string(paths));
  return std::stod(reads) / paths;
}

TEST(GrowthTest, WalkingPlanningAndStoringReadAsManyRowsAPathHoweverManyPathsThereAre) {
  const double few = ReadsPerPath(500);
  const double many = ReadsPerPath(2'000);
  RecordProperty("few", std::to_string(few));
  RecordProperty("many", std::to_string(many));
  EXPECT_LT(many, 1.5 * few) << few << " rows a path of 500, " << many << " a path of 2,000";
}

}  // namespace
}  // namespace hnx::test
