// Migrations on a real PostgreSQL.
#include <gtest/gtest.h>

#include "coordinator/store/pg_migrations.h"
#include "store_rig.h"
#include "support/postgres_fixture.h"

namespace hnx::test {
namespace {

class MigrationsTest : public testing::Test {
 protected:
  std::string Ask(const std::string& sql) { return Sql(uri_, sql); }

  const std::string uri_ = PostgresFixture::Get().NewDatabase();
};

TEST_F(MigrationsTest, ADatabaseThatHasAllIsLeftAlone) {
  const auto plan = coordinator::Migrate(uri_);
  ASSERT_TRUE(plan.has_value());
  EXPECT_TRUE(plan->pending.empty());
  EXPECT_EQ(plan->current, plan->newest);
}

TEST_F(MigrationsTest, OneThatTheDatabaseLacksIsMadeThoughLaterOnesWere) {
  Ask("DROP TABLE index_adoption, adopted_shard, adopted_latest");
  Ask("ALTER TABLE mirror DROP COLUMN acknowledged_db_length, DROP COLUMN "
      "acknowledged_content_length, "
      "DROP COLUMN acknowledged_at, DROP COLUMN predecessor_key");
  Ask("DELETE FROM schema_version WHERE version = 3");
  const auto plan = coordinator::Migrate(uri_);
  ASSERT_TRUE(plan.has_value()) << plan.error().message;
  EXPECT_EQ(plan->pending, std::vector<std::string>{"003_recovery"});
  EXPECT_EQ(Ask("SELECT to_regclass('adopted_latest') IS NOT NULL"), "t");
  EXPECT_TRUE(coordinator::PlanMigrations(uri_)->pending.empty());
}

TEST_F(MigrationsTest, ADatabaseOfANewerProgramIsRefused) {
  Ask("INSERT INTO schema_version (version, name) VALUES (1000, 'later')");
  const auto plan = coordinator::Migrate(uri_);
  ASSERT_FALSE(plan.has_value());
  EXPECT_EQ(plan.error().code, ErrorCode::kFailedPrecondition);
  EXPECT_NE(plan.error().message.find("run a newer coordinator"), std::string::npos);
}

}  // namespace
}  // namespace hnx::test
