// Rounds of background work are not repeated while they would find the same as before.
#include <chrono>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "coordinator/maintenance/background_service.h"
#include "coordinator/store/pg_changes.h"
#include "store_rig.h"
#include "support/postgres_fixture.h"

namespace hnx::test {
namespace {

using coordinator::BackgroundService;
using coordinator::kQuietIntervalMin;
using coordinator::PgChanges;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Attempts that took so long that time alone may have changed the outcome prove nothing.
constexpr int kAttempts = 20;

class ChangesTest : public testing::Test {
 protected:
  // A probe that remembers nothing.
  std::string SeenNow() { return PgChanges(*rig_.pool).Seen(); }
  void Commit() { Sql(rig_.uri, "UPDATE leader SET reaped_at = clock_timestamp() RETURNING 1"); }

  StoreRig rig_{PostgresFixture::Get().NewDatabase()};
  PgChanges changes_{*rig_.pool};
  int rounds_ = 0;
  bool more_ = false;
  BackgroundService service_{"test", *rig_.leader, changes_, milliseconds(1), [this] {
                               ++rounds_;
                               return Result<bool>(more_);
                             }};
};

TEST_F(ChangesTest, ReadingChangesNothing) {
  const std::string before = SeenNow();
  ASSERT_NE(before, "");
  Sql(rig_.uri, "SELECT count(*) FROM nar");
  EXPECT_EQ(SeenNow(), before);
}

TEST_F(ChangesTest, CommitsAreSeenAlsoOfWhatWasUnderWayBefore) {
  const std::string before = SeenNow();
  Commit();
  EXPECT_NE(SeenNow(), before);
  std::string during;
  Must(RunTransaction(*rig_.pool, "a test",
                      [&](coordinator::PgTransaction& transaction) -> Result<void> {
                        transaction.Exec("UPDATE leader SET reaped_at = clock_timestamp()");
                        during = SeenNow();
                        return {};
                      }));
  EXPECT_NE(SeenNow(), during);
}

// One after the other they would take eight times as long, and so would the end of a coordinator.
TEST_F(ChangesTest, WhenNoConnectionIsFreeThoseWhoWaitDoSoTogether) {
  constexpr int kWaiting = 8;
  constexpr milliseconds kTimeout{1'000};
  coordinator::PgPool pool(rig_.uri, {.connections_max = 1, .checkout_timeout = kTimeout});
  auto connection = Must(pool.Take());
  PgChanges changes(pool);
  const auto begun = steady_clock::now();
  std::vector<std::future<std::string>> answers;
  for (int i = 0; i < kWaiting; ++i) {
    answers.push_back(std::async(std::launch::async, [&] { return changes.Seen(); }));
  }
  for (auto& answer : answers) {
    EXPECT_EQ(answer.get(), "");
  }
  EXPECT_LT(steady_clock::now() - begun, kWaiting / 2 * kTimeout);
  pool.Return(std::move(connection), true);
  std::string seen;
  while (seen.empty()) {
    seen = changes.Seen();
  }
}

TEST_F(ChangesTest, ARoundThatFoundNothingIsNotRepeatedBeforeSomethingChanges) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto begun = steady_clock::now();
    service_.RunOnce();
    const int first = rounds_;
    service_.RunOnce();
    const int quiet = rounds_;
    Commit();
    while (rounds_ == quiet) {
      service_.RunOnce();
    }
    if (steady_clock::now() - begun < kQuietIntervalMin) {
      EXPECT_EQ(quiet, first);
      return;
    }
  }
  FAIL() << "each of " << kAttempts << " attempts took too long";
}

TEST_F(ChangesTest, TimeAloneBringsTheNextRoundToo) {
  service_.RunOnce();
  const int first = rounds_;
  const auto begun = steady_clock::now();
  while (rounds_ == first) {
    service_.RunOnce();
  }
  EXPECT_LT(steady_clock::now() - begun, 60 * kQuietIntervalMin);
}

TEST_F(ChangesTest, ARoundThatHasMoreToDoIsRepeatedAtOnce) {
  more_ = true;
  service_.RunOnce();
  service_.RunOnce();
  EXPECT_EQ(rounds_, 2);
}

}  // namespace
}  // namespace hnx::test
