// What is counted when it changes is what counting would find, and statistics follow tables that
// grow.
#include <gtest/gtest.h>

#include "coordinator/store/pg_statistics.h"
#include "store_rig.h"
#include "support/postgres_fixture.h"

namespace hnx::test {
namespace {

class CountersTest : public testing::Test {
 protected:
  std::string Ask(const std::string& sql) { return Sql(rig_.uri, sql); }
  void ExpectCountersAreRight() {
    EXPECT_EQ(Ask("SELECT count(*) FROM "
                  "(SELECT shard_id, upstream_id, count(*) AS n FROM nar WHERE state = 'stored' "
                  "GROUP BY shard_id, upstream_id) a FULL JOIN "
                  "(SELECT shard_id, upstream_id, sum(nars) AS n FROM stored_delta "
                  "GROUP BY shard_id, upstream_id HAVING sum(nars) <> 0) b "
                  "USING (shard_id, upstream_id) WHERE a.n IS DISTINCT FROM b.n"),
              "0");
    EXPECT_EQ(Ask("SELECT coalesce(sum(amount), 0) FROM state_count "
                  "WHERE NOT is_nar AND state = 'published'"),
              Ask("SELECT count(*) FROM path WHERE state = 'published'"));
  }
  std::uint64_t NarsInShards() {
    std::uint64_t nars = 0;
    const auto status = rig_.releases->GetStatus();
    EXPECT_TRUE(status.has_value());
    for (const coordinator::ShardView& shard : status->shards) {
      nars += shard.nars;
    }
    return nars;
  }
  void PublishAll() {
    for (int i = 0; i < 12; ++i) {
      index_.Step();
      rig_.Background();
    }
  }

  FakeUpstream upstream_{{.references = {}}, {.references = {0}}, {.references = {0, 1}}};
  StoreRig rig_{PostgresFixture::Get().NewDatabase()};
  FakeWorker worker_{rig_, 1, upstream_};
  FakeIndex index_{rig_, upstream_};
};

TEST_F(CountersTest, FollowStoringAndPublishing) {
  rig_.Submit(upstream_);
  rig_.Background();
  ExpectCountersAreRight();
  EXPECT_EQ(NarsInShards(), 0U);
  worker_.WorkOff();
  ExpectCountersAreRight();
  EXPECT_EQ(NarsInShards(), 3U);
  PublishAll();
  EXPECT_EQ(rig_.releases->GetStatus()->paths_published, 3U);
  ExpectCountersAreRight();
}

TEST_F(CountersTest, AreTheSameWhenTheyAreFolded) {
  rig_.Submit(upstream_);
  rig_.Background();
  worker_.WorkOff();
  PublishAll();
  Ask("INSERT INTO stored_delta SELECT shard_id, upstream_id, 0 FROM stored_delta RETURNING 1");
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(rig_.reaper->FoldCounters().has_value());
    ExpectCountersAreRight();
    EXPECT_EQ(Ask("SELECT count(*) FROM stored_delta"), "1");
  }
}

TEST_F(CountersTest, FollowALostDisk) {
  rig_.Submit(upstream_);
  rig_.Background();
  worker_.WorkOff();
  PublishAll();
  worker_.LoseDisk();
  ASSERT_TRUE(worker_.Call().has_value());
  rig_.Background();
  ASSERT_EQ(Ask("SELECT count(*) FROM nar WHERE state = 'stored'"), "0");
  ExpectCountersAreRight();
  EXPECT_EQ(NarsInShards(), 0U);
}

TEST_F(CountersTest, FollowRowsThatComeAndGoAsTheyAre) {
  rig_.Submit(upstream_);
  rig_.Background();
  worker_.WorkOff();
  PublishAll();
  Ask("INSERT INTO nar (upstream_id, url, file, nar_hash, nar_size, compression, narinfo_id, "
      "state, "
      "shard_id, blob_byte_offset, blob_block_offset, blob_block_length) "
      "SELECT upstream_id, 'nar/another', 'another', nar_hash, nar_size, compression, narinfo_id, "
      "state, shard_id, 0, 0, 1 FROM nar LIMIT 1 RETURNING 1");
  Ask("INSERT INTO path (hash, name, state, narinfo_id, nar_id, watched, batch) "
      "SELECT repeat('z', 32), 'another', state, narinfo_id, nar_id, watched, batch FROM path "
      "LIMIT 1 "
      "RETURNING 1");
  ExpectCountersAreRight();
  Ask("DELETE FROM nar WHERE file = 'another' RETURNING 1");
  Ask("DELETE FROM path WHERE name = 'another' RETURNING 1");
  ExpectCountersAreRight();
}

TEST_F(CountersTest, StatisticsAreMadeOfTablesThatGrew) {
  Ask("ALTER TABLE path_reference SET (autovacuum_enabled = false); "
      "INSERT INTO path_reference SELECT i, i + 1 FROM generate_series(1, 20000) i; SELECT 1");
  const std::string rows =
      "SELECT reltuples::bigint FROM pg_class WHERE relname = 'path_reference'";
  ASSERT_EQ(Ask(rows), "-1");
  ASSERT_TRUE(coordinator::PgStatistics(*rig_.pool).Refresh().has_value());
  EXPECT_EQ(Ask(rows), "20000");
  // What grows by a little is left alone.
  Ask("INSERT INTO path_reference SELECT i, i + 2 FROM generate_series(1, 2000) i RETURNING 1");
  ASSERT_TRUE(coordinator::PgStatistics(*rig_.pool).Refresh().has_value());
  EXPECT_EQ(Ask(rows), "20000");
}

}  // namespace
}  // namespace hnx::test
