// How what is beyond retention leaves the mirror, and how it comes back.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "coordinator/store/pg_channel_store.h"
#include "coordinator/store/pg_release_catalog.h"
#include "store_rig.h"
#include "support/postgres_fixture.h"

namespace hnx::test {
namespace {

using coordinator::GarbageView;
using coordinator::ReleaseId;
using coordinator::WorkerReport;

class RetentionTest : public testing::Test {
 protected:
  // Submits a release of the channel "c" and has all of it published.
  ReleaseId Release(const std::string& name, const std::vector<int>& paths) {
    const ReleaseId release = rig_.SubmitRoots(upstream_, paths, "c", name);
    Settle();
    EXPECT_EQ(rig_.View(release).state, "settled") << name;
    return release;
  }
  void Settle() {
    for (int i = 0; i < 14; ++i) {
      rig_.Background();
      ASSERT_TRUE(worker_.Call().has_value());
      worker_.Work(100);
      index_.Step();
    }
  }
  void Keep(int releases) {
    coordinator::PgChannelStore channels(*rig_.pool, *rig_.leader, {});
    ASSERT_TRUE(channels.SetRetention("c", releases, 0).has_value());
  }
  // Until nothing moves any more. FakeIndex checks after each batch that the index is closed.
  void Collect() {
    for (int i = 0; i < 12; ++i) {
      rig_.Retire();
      index_.Step();
      ASSERT_TRUE(worker_.Call().has_value());
    }
  }
  // As Collect, but the worker hears nothing of it.
  void CollectWithoutWorker() {
    for (int i = 0; i < 8; ++i) {
      rig_.Retire();
      index_.Step();
    }
  }
  void SetDay(int day) {
    Ask(
        fmt::format("CREATE OR REPLACE FUNCTION retirement_now() RETURNS timestamptz LANGUAGE sql "
                    "STABLE AS $$SELECT now() + interval '{} days'$$",
                    day));
  }
  GarbageView Look() {
    const auto view = rig_.retirer->Look(true);
    EXPECT_TRUE(view.has_value());
    return view.has_value() ? *view : GarbageView{};
  }
  bool Linked(int path) const { return index_.links().contains("/nar/" + FileOf(path)); }
  bool Stored(int path) const { return worker_.files().contains(FileOf(path)); }
  std::string Ask(const std::string& sql) { return Sql(rig_.uri, sql); }

  // 0 <- 1 are in every release; 2 in the first three; 3 to 7 each in one, referring to 1 and some
  // to 2; 8 and 9 refer to each other; 10 has the NAR of 3.
  FakeUpstream upstream_{
      {.references = {}},     {.references = {0}},          {.references = {1}},
      {.references = {1, 2}}, {.references = {1, 2}},       {.references = {1, 2}},
      {.references = {1}},    {.references = {1}},          {.references = {0, 9}},
      {.references = {8}},    {.references = {0}, .nar = 3}};
  StoreRig rig_{PostgresFixture::Get().NewDatabase()};
  FakeWorker worker_{rig_, 1, upstream_};
  FakeIndex index_{rig_, upstream_};
};

class FiveReleases : public RetentionTest {
 protected:
  void SetUp() override {
    Release("r1", {0, 1, 2, 3});
    Release("r2", {0, 1, 2, 4});
    Release("r3", {0, 1, 2, 5});
    Release("r4", {0, 1, 6});
    Release("r5", {0, 1, 7});
  }
};

TEST_F(FiveReleases, AllStayWhileNothingIsSaidOfRetention) {
  Collect();
  for (const int path : {0, 1, 2, 3, 4, 5, 6, 7}) {
    EXPECT_TRUE(index_.Publishes(path)) << path;
  }
  EXPECT_EQ(Ask("SELECT count(*) FROM release WHERE state = 'settled'"), "5");
}

TEST_F(FiveReleases, WhatOnlyRetiredReleasesNeedLeavesTheIndexAtOnceAndTheShardAfterThirtyDays) {
  Keep(2);
  const GarbageView forecast = Look();
  EXPECT_EQ(forecast.releases.size(), 3U);
  EXPECT_EQ(forecast.paths, 4U) << "2, 3, 4 and 5";
  EXPECT_EQ(forecast.nars, 4U);
  EXPECT_EQ(forecast.bytes, 400U);
  EXPECT_EQ(forecast.due_bytes, 0U);
  Collect();
  for (const int path : {2, 3, 4, 5}) {
    EXPECT_FALSE(index_.Publishes(path)) << path;
    EXPECT_TRUE(Linked(path)) << path << ": clients may know its narinfo";
    EXPECT_TRUE(Stored(path)) << path;
  }
  for (const int path : {0, 1, 6, 7}) {
    EXPECT_TRUE(index_.Publishes(path)) << path;
  }
  EXPECT_EQ(index_.File("/channels/c/r1/manifest.json"), "");
  EXPECT_NE(index_.File("/channels/c/r4/manifest.json"), "");
  EXPECT_EQ(Ask("SELECT string_agg(name, ' ' ORDER BY name) FROM release WHERE state = 'retired'"),
            "r1 r2 r3");

  SetDay(29);
  Collect();
  EXPECT_TRUE(Linked(3));
  EXPECT_TRUE(worker_.cleared().empty());
  EXPECT_EQ(Look().due_bytes, 0U);
  EXPECT_EQ(Look().retiring_bytes, 400U);

  SetDay(31);
  EXPECT_EQ(Look().due_bytes, 400U);
  Collect();
  for (const int path : {2, 3, 4, 5}) {
    EXPECT_FALSE(Linked(path)) << path;
    EXPECT_FALSE(Stored(path)) << path;
  }
  EXPECT_EQ(worker_.cleared().size(), 4U);
  EXPECT_EQ(Look().reclaimed_bytes, 400U);
  EXPECT_EQ(Look().leaving_copies, 0U);
  for (const int path : {0, 1, 6, 7}) {
    EXPECT_TRUE(Linked(path) && Stored(path)) << path;
  }
}

TEST_F(FiveReleases, APinnedReleaseAndTheLatestStayBesideThoseThatAreCounted) {
  coordinator::PgReleaseCatalog catalog(*rig_.pool, *rig_.leader);
  const auto first = catalog.Find("c/r1");
  ASSERT_TRUE(first.has_value());
  ASSERT_TRUE(catalog.Pin(*first, true).has_value());
  Keep(1);
  Collect();
  EXPECT_TRUE(index_.Publishes(3));
  EXPECT_TRUE(index_.Publishes(2)) << "3 refers to it";
  EXPECT_FALSE(index_.Publishes(4));
  EXPECT_TRUE(index_.Publishes(7));
  ASSERT_TRUE(catalog.Pin(*first, false).has_value());
  Collect();
  EXPECT_FALSE(index_.Publishes(3));
  EXPECT_FALSE(catalog.Pin(*first, true).has_value()) << "it is retired";
}

TEST_F(FiveReleases, ANewReleaseRevivesARetiringNarAndNothingIsFetchedAgain) {
  Keep(2);
  Collect();
  ASSERT_FALSE(index_.Publishes(3));
  Release("r6", {0, 1, 2, 3});
  EXPECT_TRUE(index_.Publishes(3));
  SetDay(31);
  Collect();
  EXPECT_TRUE(Linked(3) && Stored(3) && Linked(2) && Stored(2));
  EXPECT_FALSE(Stored(4)) << "that one is needed by nobody";
  EXPECT_EQ(worker_.appended(FileOf(3)), 1);
}

TEST_F(FiveReleases, AReleaseIsInTimeUntilTheLinkHasLeft) {
  Keep(2);
  Collect();
  SetDay(31);
  rig_.Retire();  // the batch without the links is planned, not applied
  ASSERT_TRUE(Linked(3));
  const ReleaseId release = rig_.SubmitRoots(upstream_, {0, 1, 2, 3}, "c", "r6");
  Collect();
  Settle();
  EXPECT_EQ(rig_.View(release).state, "settled");
  EXPECT_TRUE(index_.Publishes(3) && Linked(3) && Stored(3));
  EXPECT_EQ(worker_.appended(FileOf(3)), 1);
}

TEST_F(FiveReleases, WhatLeftIsFetchedAgainWhenAReleaseNeedsIt) {
  Keep(2);
  Collect();
  SetDay(31);
  Collect();
  ASSERT_FALSE(Stored(3));
  Release("r6", {0, 1, 2, 3});
  EXPECT_TRUE(index_.Publishes(3) && Linked(3) && Stored(3));
  EXPECT_EQ(worker_.appended(FileOf(3)), 2);
  Collect();
  EXPECT_TRUE(Stored(3)) << "only the old copy was to go";
}

TEST_F(FiveReleases, ACopyThatIsFetchedAgainBeforeTheOldOneWasDeletedStays) {
  Keep(2);
  Collect();
  SetDay(31);
  CollectWithoutWorker();
  ASSERT_NE(Ask("SELECT count(*) FROM retired_copy"), "0");
  ASSERT_TRUE(Stored(3));
  const ReleaseId release = rig_.SubmitRoots(upstream_, {0, 1, 2, 3}, "c", "r6");
  Settle();
  Collect();
  EXPECT_EQ(rig_.View(release).state, "settled");
  EXPECT_TRUE(index_.Publishes(3) && Linked(3) && Stored(3));
  EXPECT_EQ(Ask("SELECT count(*) FROM retired_copy"), "0");
}

TEST_F(FiveReleases, ADeletionThatWasNotReportedBeforeACrashIsHeardAtTheSameHead) {
  Keep(2);
  Collect();
  SetDay(31);
  CollectWithoutWorker();
  WorkerReport report = worker_.Report();
  coordinator::ShardEntry gone;
  gone.file = FileOf(3);
  gone.deleted = true;
  report.drives[0].entries = {gone};
  ASSERT_TRUE(rig_.synchronizer->Synchronize(report).has_value());
  EXPECT_EQ(Ask("SELECT entry_gone FROM retired_copy WHERE file = '" + FileOf(3) + "'"), "t");
}

TEST_F(FiveReleases, ASealedShardIsNotAppendedToAndWhatItHoldsIsTakenOverWhenItIsNeeded) {
  Ask("UPDATE shard SET sealed = true, seal_reason = 'the test says so' RETURNING 1");
  Keep(2);
  Collect();
  SetDay(31);
  EXPECT_EQ(Look().due_bytes, 0U) << "nothing comes back";
  Collect();
  EXPECT_FALSE(Linked(3));
  EXPECT_TRUE(Stored(3));
  Release("r6", {0, 1, 2, 3});
  EXPECT_TRUE(index_.Publishes(3) && Linked(3));
  EXPECT_EQ(worker_.appended(FileOf(3)), 1);
}

TEST_F(RetentionTest, ACycleOfReferencesLeavesTogether) {
  Release("r1", {0, 8, 9});
  Release("r2", {0});
  Keep(1);
  Collect();
  EXPECT_FALSE(index_.Publishes(8));
  EXPECT_FALSE(index_.Publishes(9));
  EXPECT_TRUE(index_.Publishes(0));
}

TEST_F(RetentionTest, ANarStaysWhileANarInfoOfAnotherReleaseNamesIt) {
  Release("r1", {0, 1, 2, 3});
  Release("r2", {0, 10});
  Keep(1);
  Collect();
  SetDay(31);
  Collect();
  EXPECT_FALSE(index_.Publishes(3));
  EXPECT_TRUE(index_.Publishes(10));
  EXPECT_TRUE(Linked(3) && Stored(3)) << "its NAR is that of 10";
}

TEST_F(RetentionTest, NothingMovesWhileAnotherReplicaLeads) {
  Release("r1", {0, 1});
  Release("r2", {0});
  Keep(1);
  rig_.leader->Resign();
  EXPECT_FALSE(rig_.retirer->Step().has_value());
  rig_.BecomeLeaderAnew();
  Collect();
  EXPECT_FALSE(index_.Publishes(1));
}

TEST_F(RetentionTest, DiffNamesWhatCameAndWhatWent) {
  const ReleaseId first = Release("r1", {0, 1, 2});
  const ReleaseId second = Release("r2", {0, 1, 6});
  coordinator::PgReleaseCatalog catalog(*rig_.pool, *rig_.leader);
  std::vector<std::string> changes;
  const auto note = [&](const coordinator::PathDifference& path) -> Result<void> {
    changes.push_back((path.added ? "+" : "-") + path.store_path.substr(11, 32));
    return {};
  };
  const auto totals = catalog.Diff(first, second, note);
  ASSERT_TRUE(totals.has_value());
  EXPECT_EQ(changes, (std::vector<std::string>{"+" + HashOf(6), "-" + HashOf(2)}));
  EXPECT_EQ(totals->bytes_added, 100U);
  EXPECT_EQ(totals->nars_gone, 1U);
  Keep(1);
  Collect();
  EXPECT_FALSE(catalog.Diff(first, second, note).has_value())
      << "what a retired release consisted of is not kept";
}

TEST_F(RetentionTest, AManifestCanBeReadUntilItsReleaseRetires) {
  const ReleaseId first = Release("r1", {0, 1});
  Release("r2", {0});
  coordinator::PgReleaseCatalog catalog(*rig_.pool, *rig_.leader);
  std::string text;
  const auto take = [&](ByteView bytes) -> Result<void> {
    text += AsText(bytes);
    return {};
  };
  ASSERT_TRUE(catalog.ReadFile(first, "manifest.json", take).has_value());
  EXPECT_EQ(text, index_.File("/channels/c/r1/manifest.json"));
  Keep(1);
  Collect();
  EXPECT_FALSE(catalog.ReadFile(first, "manifest.json", take).has_value());
}

}  // namespace
}  // namespace hnx::test
