// Background transactions run one after the other and never for a replica that was replaced, and
// those that find nothing to do write nothing.
#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "coordinator/store/pg_leader.h"
#include "coordinator/store/pg_transaction.h"
#include "store_rig.h"
#include "support/postgres_fixture.h"

namespace hnx::test {
namespace {

using coordinator::PgLeader;
using coordinator::PgTransaction;

class LeaderTest : public testing::Test {
 protected:
  LeaderTest() { rig_.leader->Resign(); }

  // A background transaction of `leader` that stays open until End.
  void Begin(PgLeader& leader) {
    std::promise<void> locked;
    transaction_ = std::thread([this, &leader, &locked] {
      Must(RunTransaction(*rig_.pool, "a test", [&](PgTransaction& transaction) -> Result<void> {
        HNX_TRY(leader.Lock(transaction));
        locked.set_value();
        end_.get_future().wait();
        return {};
      }));
    });
    locked.get_future().wait();
  }
  void End() {
    end_.set_value();
    transaction_.join();
  }
  void LetExpire() { Sql(rig_.uri, "UPDATE leader SET expires_at = '-infinity' RETURNING 1"); }
  bool IsReplaced(PgLeader& leader) {
    const auto outcome = RunTransaction(
        *rig_.pool, "a test",
        [&](PgTransaction& transaction) -> Result<void> { return leader.Lock(transaction); });
    return !outcome.has_value() && outcome.error().code == ErrorCode::kAborted;
  }

  StoreRig rig_{PostgresFixture::Get().NewDatabase()};
  PgLeader first_{*rig_.pool, "first"};
  PgLeader second_{*rig_.pool, "second"};
  std::promise<void> end_;
  std::thread transaction_;
};

TEST_F(LeaderTest, OneReplicaLeadsUntilItIsSilentForATerm) {
  EXPECT_TRUE(Must(first_.Renew()));
  EXPECT_FALSE(Must(second_.Renew()));
  EXPECT_TRUE(Must(first_.Renew()));
  LetExpire();
  EXPECT_TRUE(Must(second_.Renew()));
  EXPECT_FALSE(IsReplaced(second_));
  EXPECT_FALSE(Must(first_.Renew()));
  EXPECT_TRUE(IsReplaced(first_));
  second_.Resign();
  EXPECT_TRUE(Must(first_.Renew()));
  EXPECT_TRUE(IsReplaced(second_));
}

TEST_F(LeaderTest, NobodyTakesOverInTheMiddleOfATransaction) {
  ASSERT_TRUE(Must(first_.Renew()));
  Begin(first_);
  LetExpire();
  auto taken = std::async(std::launch::async, [&] { return Must(second_.Renew()); });
  while (Sql(rig_.uri,
             "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
             "wait_event_type = 'Lock'") == "0") {
    ASSERT_EQ(taken.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  }
  End();
  EXPECT_TRUE(taken.get());
  EXPECT_TRUE(IsReplaced(first_));
}

TEST_F(LeaderTest, IsRenewedDuringALongTransaction) {
  ASSERT_TRUE(Must(first_.Renew()));
  Begin(first_);
  EXPECT_TRUE(Must(first_.Renew()));
  EXPECT_FALSE(Must(second_.Renew()));
  End();
}

// The server itself writes now and then; rounds that write do so each time.
TEST_F(LeaderTest, RoundsThatFindNothingWriteNothing) {
  rig_.BecomeLeaderAnew();
  rig_.Submit({{.references = {}}, {.references = {0}}});
  rig_.Background();
  const auto written = [&] {
    const std::string before = Sql(rig_.uri, "SELECT pg_current_wal_insert_lsn()");
    rig_.Background();
    return Sql(rig_.uri, "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '" + before + "')");
  };
  std::string last;
  for (int i = 0; i < 10 && last != "0"; ++i) {
    last = written();
  }
  EXPECT_EQ(last, "0");
}

}  // namespace
}  // namespace hnx::test
