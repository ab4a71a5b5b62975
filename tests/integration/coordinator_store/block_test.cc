// What needs a path that failed is marked, whoever changes that path at the same moment.
#include <atomic>
#include <thread>

#include <gtest/gtest.h>
#include <pqxx/pqxx>

#include "store_rig.h"
#include "support/postgres_fixture.h"

namespace hnx::test {
namespace {

class BlockTest : public testing::Test {
 protected:
  BlockTest() {
    rig_.Submit(upstream_);
    rig_.Background();
    EXPECT_EQ(rig_.StateOf(0), "missing");
    EXPECT_EQ(rig_.StateOf(1), "blocked");
  }

  // Takes all steps beside this thread, and returns once they are done, or wait for somebody.
  void BeginSteps() {
    steps_ = std::thread([this] {
      while (Must(rig_.planner->BlockStep())) {
      }
      done_ = true;
    });
    while (!done_ && Sql(rig_.uri,
                         "SELECT count(*) FROM pg_stat_activity WHERE datname = "
                         "current_database() AND wait_event_type = 'Lock'") == "0") {
    }
  }
  std::string Change(const std::string& state, const std::string& reason) {
    return "UPDATE path SET state = '" + state + "', reason = " + reason +
           ", changed_at = now() WHERE hash = '" + HashOf(0) + "'";
  }

  FakeUpstream upstream_{{.missing = true}, {.references = {0}}};
  StoreRig rig_{PostgresFixture::Get().NewDatabase()};
  std::thread steps_;
  std::atomic<bool> done_{false};
};

TEST_F(BlockTest, APathThatFailsAgainWhileItsMarkIsLifted) {
  Sql(rig_.uri, Change("discovered", "NULL"));
  pqxx::connection connection(rig_.uri);
  pqxx::work failing(connection);
  failing.exec(Change("missing", "'http-404'"));
  BeginSteps();
  failing.commit();
  steps_.join();
  rig_.Background();
  EXPECT_EQ(rig_.StateOf(1), "blocked");
}

TEST_F(BlockTest, APathThatIsAskedForAgainWhileItsFailureIsSpread) {
  Sql(rig_.uri, Change("discovered", "NULL"));
  Sql(rig_.uri, Change("missing", "'http-404'"));
  pqxx::connection connection(rig_.uri);
  pqxx::work asking(connection);
  asking.exec(Change("discovered", "NULL"));
  BeginSteps();
  asking.commit();
  steps_.join();
  rig_.Background();
  EXPECT_EQ(rig_.StateOf(1), "known");
}

}  // namespace
}  // namespace hnx::test
