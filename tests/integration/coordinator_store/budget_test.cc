// What a budget of bytes holds of the releases, what it leaves out, and how either becomes the
// other.
#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "budget_rig.h"
#include "coordinator/domain/budget_policy.h"
#include "coordinator/store/pg_hit_store.h"
#include "coordinator/store/pg_release_catalog.h"

namespace hnx::test {
namespace {

using coordinator::ReleaseId;

// 0 <- 1 <- 2, and 3, 4, 5 that refer to 1; 6 and 7 refer to each other and to 0; 8 has the NAR of
// 5. Depths: 0; 1; 2, 3, 4, 5.
class BudgetTest : public testing::Test {
 protected:
  // Asked for `times` times, now.
  void Ask(int path, int times) {
    coordinator::PgHitStore hits(*mirror_.rig.pool);
    Must(hits.Take({.gateway = std::string(32, 'a'),
                    .sequence = ++sequence_,
                    .hits = {{.hash = HashOf(path), .count = static_cast<std::uint64_t>(times)}}}));
  }
  // The age of a release.
  void SetAge(ReleaseId release, int days) {
    Query(fmt::format("UPDATE release SET submitted_at = now() - interval '{} days' WHERE id = {}",
                      days, release));
  }
  std::string Query(const std::string& sql) { return Sql(mirror_.rig.uri, sql); }
  std::string LeftOut() {
    return Query(
        "SELECT coalesce(string_agg(name, ' ' ORDER BY name), '') FROM path WHERE left_out");
  }

  std::uint64_t sequence_ = 0;
  BudgetRig mirror_{{{.name = "p0"},
                     {.name = "p1", .references = {0}},
                     {.name = "p2", .references = {1}},
                     {.name = "p3", .references = {1}},
                     {.name = "p4", .references = {1}},
                     {.name = "p5", .references = {1}},
                     {.name = "p6", .references = {0, 7}},
                     {.name = "p7", .references = {6}},
                     {.name = "p8", .references = {0}, .nar = 5}}};
};

TEST_F(BudgetTest, WithoutOneNothingIsChosenAndNothingIsSaidOfIt) {
  mirror_.Release("r1", {2, 3});
  EXPECT_EQ(Query("SELECT changes || ' ' || running FROM budget"), "0 false");
  EXPECT_EQ(LeftOut(), "");
  EXPECT_EQ(mirror_.Manifest("r1").find("budget"), std::string::npos);
  EXPECT_EQ(mirror_.Manifest("r1").find("leftOut"), std::string::npos);
}

TEST_F(BudgetTest, HoldsReferencesBeforeReferrersAndFetchesNothingElse) {
  mirror_.rig.SetBudget(350);
  const ReleaseId release = mirror_.Release("r1", {2, 3, 4, 5});
  EXPECT_EQ(mirror_.Published(), "0 1 2");
  EXPECT_EQ(mirror_.worker.files().size(), 3U);
  const auto view = mirror_.rig.View(release);
  EXPECT_EQ(view.paths_published, 3U);
  EXPECT_EQ(view.paths_left_out, 3U);
  EXPECT_EQ(Query("SELECT count(*) FROM nar WHERE needed AND state = 'wanted'"), "0");
}

TEST_F(BudgetTest, TheManifestSaysWhatIsLeftOutAndWhy) {
  mirror_.rig.SetBudget(350);
  mirror_.Release("r1", {2, 3, 4, 5});
  const std::string manifest = mirror_.Manifest("r1");
  EXPECT_NE(manifest.find(R"("blocked":0,"leftOut":3},)"), std::string::npos) << manifest;
  EXPECT_NE(manifest.find(R"("budget":{"bytes":350,"leftOutBytes":300},)"), std::string::npos)
      << manifest;
  EXPECT_NE(manifest.find(R"("state":"left_out","reason":"budget")"), std::string::npos);
}

TEST_F(BudgetTest, WhatIsLeftOutDoesNotKeepLatestBack) {
  mirror_.max_missing = 0;
  mirror_.rig.SetBudget(350);
  mirror_.Release("r1", {2, 3, 4, 5});
  EXPECT_EQ(mirror_.index.File("/channels/c/latest"), "r1\n");
}

TEST_F(BudgetTest, AMissingPathStaysMissingAndWhatNeedsItBlocked) {
  BudgetRig mirror({{.missing = true}, {.references = {0}}, {.name = "p2"}, {.name = "p3"}});
  mirror.rig.SetBudget(100);
  const auto view = mirror.rig.View(mirror.Release("r1", {1, 2, 3}));
  EXPECT_EQ(view.paths_missing, 1U);
  EXPECT_EQ(view.paths_blocked, 1U);
  EXPECT_EQ(view.paths_published, 1U);
  EXPECT_EQ(view.paths_left_out, 1U);
}

TEST_F(BudgetTest, AnotherPathThatIsAskedForTakesThePlaceOfOneThatIsNotWhenItsRoomCameBack) {
  mirror_.rig.SetBudget(350);
  const ReleaseId release = mirror_.Release("r1", {2, 3, 4, 5});
  const auto before = mirror_.ManifestRevision("r1");
  Ask(5, 3);
  mirror_.ChooseAgain();
  mirror_.Settle();
  EXPECT_EQ(mirror_.Published(), "0 1");
  EXPECT_EQ(mirror_.Stored(), "0 1 2") << "clients may know the narinfo of 2";
  EXPECT_EQ(mirror_.rig.View(release).paths_left_out, 4U);
  EXPECT_EQ(mirror_.ManifestRevision("r1"), before + 1);
  mirror_.SetDay(31);
  mirror_.Settle();
  EXPECT_EQ(mirror_.Published(), "0 1 5");
  EXPECT_EQ(mirror_.Stored(), "0 1 5");
  EXPECT_EQ(mirror_.ManifestRevision("r1"), before + 2);
  EXPECT_EQ(Query("SELECT state FROM path WHERE name = 'p2'"), "known") << "its narinfo is kept";
  EXPECT_LE(mirror_.most_bytes, 350U);
}

TEST_F(BudgetTest, FillsUpWithWhatIsWorthLess) {
  mirror_.rig.SetBudget(450);
  mirror_.Release("r1", {2, 3, 4, 5});
  Ask(5, 3);
  Ask(4, 1);
  mirror_.ChooseAgain();
  EXPECT_EQ(Query("SELECT kept_bytes || ' ' || kept_paths FROM budget"), "400 4");
  EXPECT_EQ(LeftOut(), "p2 p3 p4 p5") << "4 and 5 wait for the room of 2 and 3";
  EXPECT_EQ(Query("SELECT waiting_paths FROM budget"), "2");
}

TEST_F(BudgetTest, WhatComesInAgainBeforeItsLinkLeftIsNotFetchedAgain) {
  mirror_.rig.SetBudget(350);
  mirror_.Release("r1", {2, 3, 4, 5});
  Ask(5, 3);
  mirror_.ChooseAgain();
  mirror_.Settle();
  ASSERT_EQ(mirror_.Published(), "0 1");
  Ask(2, 100);
  mirror_.ChooseAgain();
  mirror_.Settle();
  mirror_.SetDay(31);
  mirror_.Settle();
  EXPECT_EQ(mirror_.Published(), "0 1 2");
  EXPECT_EQ(mirror_.worker.appended(FileOf(2)), 1);
}

TEST_F(BudgetTest, WhatIsStoredStaysWhenAnotherIsWorthAsMuch) {
  mirror_.rig.SetBudget(350);
  mirror_.Release("r1", {3, 4, 5});
  ASSERT_EQ(mirror_.Published(), "0 1 3");
  mirror_.Release("r2", {2, 3, 4, 5});
  EXPECT_EQ(mirror_.Published(), "0 1 3") << "2 comes first by its number";
}

TEST_F(BudgetTest, WhatOnlyAnOlderReleaseHasGoesBeforeWhatTheLatestHas) {
  mirror_.rig.SetBudget(350);
  const ReleaseId old = mirror_.Release("r1", {2});
  mirror_.Release("r2", {3});
  EXPECT_EQ(mirror_.Published(), "0 1 2") << "it is not a week old";
  SetAge(old, 7);
  mirror_.ChooseAgain();
  mirror_.Settle();
  EXPECT_EQ(mirror_.Published(), "0 1");
  mirror_.SetDay(31);
  mirror_.Settle();
  EXPECT_EQ(mirror_.Published(), "0 1 3");
}

TEST_F(BudgetTest, WhatAPinnedReleaseHasComesFirst) {
  mirror_.rig.SetBudget(350);
  const ReleaseId old = mirror_.Release("r1", {2});
  mirror_.Release("r2", {3});
  SetAge(old, 700);
  coordinator::PgReleaseCatalog catalog(*mirror_.rig.pool, *mirror_.rig.leader);
  Must(catalog.Pin(old, true));
  Ask(3, 1000);
  mirror_.Settle();
  EXPECT_EQ(mirror_.Published(), "0 1 2");
  Must(catalog.Pin(old, false));
  mirror_.Settle();
  EXPECT_EQ(mirror_.Published(), "0 1") << "a pin is looked at at once";
}

TEST_F(BudgetTest, ACycleComesAndGoesAsAWhole) {
  mirror_.rig.SetBudget(250);
  mirror_.Release("r1", {6});
  EXPECT_EQ(mirror_.Published(), "0") << "there is no room for 6 and 7";
  mirror_.rig.SetBudget(300);
  mirror_.Settle();
  EXPECT_EQ(mirror_.Published(), "0 6 7");
  mirror_.rig.SetBudget(250);
  mirror_.Settle();
  EXPECT_EQ(mirror_.Published(), "0");
}

TEST_F(BudgetTest, AFileThatTwoPathsHaveTakesUpRoomOnce) {
  mirror_.rig.SetBudget(300);
  mirror_.Release("r1", {5, 8});
  EXPECT_EQ(mirror_.Published(), "0 1 5 8");
}

TEST_F(BudgetTest, ANarLargerThanTheBudgetIsLeftOutWithWhatNeedsItAndKeepsNothingElseOut) {
  BudgetRig mirror({{.file_size = 500}, {.references = {0}}, {.name = "p2"}, {.references = {2}}});
  mirror.rig.SetBudget(300);
  mirror.Release("r1", {1, 3});
  EXPECT_EQ(mirror.Published(), "2 3");
}

TEST_F(BudgetTest, MoreOfItBringsMoreAndNoneBringsEverything) {
  mirror_.rig.SetBudget(350);
  const ReleaseId release = mirror_.Release("r1", {2, 3, 4, 5});
  mirror_.rig.SetBudget(400);
  mirror_.Settle();
  EXPECT_EQ(mirror_.Published(), "0 1 2 3");
  mirror_.rig.SetBudget(0);
  mirror_.Settle();
  EXPECT_EQ(mirror_.Published(), "0 1 2 3 4 5");
  EXPECT_EQ(LeftOut(), "");
  EXPECT_EQ(mirror_.rig.View(release).paths_left_out, 0U);
  EXPECT_EQ(mirror_.Manifest("r1").find("leftOut"), std::string::npos);
}

TEST_F(BudgetTest, ABudgetForWhatIsMirroredAlreadyHasTheRestLeaveInOrder) {
  const ReleaseId release = mirror_.Release("r1", {2, 3, 4, 5});
  mirror_.rig.SetBudget(350);
  mirror_.Settle();
  EXPECT_EQ(mirror_.Published(), "0 1 2");
  EXPECT_EQ(mirror_.Stored(), "0 1 2 3 4 5");
  mirror_.SetDay(31);
  mirror_.Settle();
  EXPECT_EQ(mirror_.Stored(), "0 1 2");
  EXPECT_EQ(mirror_.rig.View(release).paths_left_out, 3U);
  mirror_.rig.SetBudget(0);
  mirror_.Settle();
  EXPECT_EQ(mirror_.Published(), "0 1 2 3 4 5");
  EXPECT_EQ(mirror_.worker.appended(FileOf(3)), 2);
}

TEST_F(BudgetTest, ADryRunForetellsWhatAChoiceHasLeave) {
  mirror_.Release("r1", {2, 3, 4, 5});
  mirror_.rig.SetBudget(600);
  mirror_.Settle();
  ASSERT_EQ(mirror_.Published(), "0 1 2 3 4 5");
  mirror_.rig.budget_options.bytes = 350;
  coordinator::PgBudgetStore other(*mirror_.rig.pool, *mirror_.rig.leader,
                                   mirror_.rig.budget_options);
  EXPECT_EQ(Must(other.Foresee()), (coordinator::BudgetForecast{})) << "600 is what counts";
  Query("UPDATE budget SET bytes = 350");
  const auto forecast = Must(other.Foresee());
  EXPECT_EQ(forecast.paths, 3U);
  EXPECT_EQ(forecast.nars, 3U);
  EXPECT_EQ(forecast.bytes, 300U);
  EXPECT_EQ(LeftOut(), "");
  Query("UPDATE budget SET bytes = 600");
  mirror_.rig.SetBudget(350);
  mirror_.Settle();
  EXPECT_EQ(mirror_.Published(), "0 1 2");
  EXPECT_EQ(Must(other.Foresee()), (coordinator::BudgetForecast{})) << "it is on its way";
}

TEST_F(BudgetTest, WhySaysWhatItWouldTake) {
  mirror_.rig.SetBudget(350);
  mirror_.Release("r1", {2, 3});
  const auto why = Must(mirror_.rig.releases->Why(HashOf(3)));
  EXPECT_EQ(why.state, "left_out");
  EXPECT_EQ(coordinator::ExplainPath(why).sentence,
            "left out: outside of the budget of 350 bytes (it is worth 0.00, the least that is "
            "kept 0.50)");
  const auto status = Must(mirror_.rig.releases->GetStatus());
  ASSERT_TRUE(status.budget);
  EXPECT_EQ(status.budget->bytes, 350U);
  EXPECT_EQ(status.budget->kept_bytes, 300U);
  EXPECT_EQ(status.budget->kept_paths, 3U);
  EXPECT_EQ(status.budget->left_out_paths, 1U);
  EXPECT_FALSE(status.budget->choosing);
}

TEST_F(BudgetTest, WhatIsLeftOutOfARetiredReleaseIsForgottenLikeAnythingElse) {
  mirror_.rig.SetBudget(350);
  mirror_.Release("r1", {2, 3});
  mirror_.Release("r2", {2});
  mirror_.Keep(1);
  mirror_.Settle();
  mirror_.SetDay(31);
  mirror_.Settle();
  EXPECT_EQ(mirror_.Published(), "0 1 2");
  EXPECT_EQ(LeftOut(), "");
}

TEST_F(BudgetTest, AChoiceThatIsInterruptedAtAnyStepBeginsAnew) {
  mirror_.rig.SetBudget(350);
  mirror_.Release("r1", {2, 3, 4, 5});
  Ask(5, 3);
  int steps = 0;
  for (bool finished = false; !finished;) {
    ASSERT_LT(++steps, 100);
    Query("UPDATE budget SET changes = changes + 1");
    for (int step = 0; step < steps; ++step) {
      Must(mirror_.rig.budget->Step());
    }
    finished = Query("SELECT running FROM budget") == "f";
    mirror_.rig.BecomeLeaderAnew();
    EXPECT_EQ(Query("SELECT count(*) FROM path p JOIN path_reference e ON e.referrer = p.id JOIN "
                    "path r ON r.id = e.reference WHERE NOT p.left_out AND r.left_out"),
              "0")
        << "after step " << steps;
  }
  EXPECT_GT(steps, 5);
  mirror_.Settle();
  EXPECT_EQ(mirror_.Published(), "0 1");
}

TEST_F(BudgetTest, TheValueOfAPathIsTheRuleOfTheDomain) {
  mirror_.rig.SetBudget(350);
  const ReleaseId old = mirror_.Release("r1", {2, 3});
  mirror_.Release("r2", {4});
  SetAge(old, 10);
  Query(
      fmt::format("INSERT INTO path_hits (path_id, hits, at) SELECT id, 6, now() - interval '3 "
                  "days' FROM path WHERE hash = '{}'",
                  HashOf(3)));
  mirror_.ChooseAgain();
  const auto value = [&](int path) {
    return std::stod(Query(fmt::format(
        "SELECT value FROM path_budget b JOIN path p ON p.id = b.path_id WHERE hash = '{}'",
        HashOf(path))));
  };
  const std::chrono::hours day(24);
  EXPECT_NEAR(value(3), coordinator::OwnValue({.hits = 6, .since_hits = 3 * day, .age = 10 * day}),
              1e-4);
  EXPECT_NEAR(value(4), coordinator::OwnValue({}), 1e-4);
  EXPECT_NEAR(value(1), value(3), 1e-9) << "a reference is worth what its referrers are";
}

TEST_F(BudgetTest, AReportOfHitsThatComesTwiceCountsOnceAndUnknownHashesForNothing) {
  mirror_.rig.SetBudget(350);
  mirror_.Release("r1", {2, 3});
  coordinator::PgHitStore hits(*mirror_.rig.pool);
  const coordinator::HitReport report{
      .gateway = std::string(32, 'b'),
      .sequence = 7,
      .hits = {{.hash = HashOf(3), .count = 5}, {.hash = HashOf(999), .count = 5}}};
  EXPECT_TRUE(Must(hits.Take(report)));
  EXPECT_FALSE(Must(hits.Take(report)));
  EXPECT_EQ(Query("SELECT string_agg(round(hits::numeric, 3)::text, ' ') FROM path_hits"), "5.000");
  coordinator::HitReport next = report;
  next.sequence = 8;
  Query("UPDATE path_hits SET at = now() - interval '7 days'");
  EXPECT_TRUE(Must(hits.Take(next)));
  EXPECT_EQ(Query("SELECT string_agg(round(hits::numeric, 3)::text, ' ') FROM path_hits"), "7.500")
      << "a week halves what was counted";
}

TEST_F(BudgetTest, WhatIsNoReportOfHitsIsRefused) {
  coordinator::PgHitStore hits(*mirror_.rig.pool);
  const std::string gateway(32, 'c');
  EXPECT_FALSE(hits.Take({.gateway = "me", .sequence = 1}).has_value());
  EXPECT_FALSE(hits.Take({.gateway = gateway, .sequence = 0}).has_value());
  EXPECT_FALSE(hits.Take({.gateway = gateway, .sequence = 1, .hits = {{"x", 1}}}).has_value());
  EXPECT_FALSE(
      hits.Take({.gateway = gateway, .sequence = 1, .hits = {{HashOf(1), 0}}}).has_value());
  EXPECT_EQ(Query("SELECT count(*) FROM hit_reporter"), "0");
}

TEST_F(BudgetTest, AReplicaThatWasGivenAnotherBudgetTakesItsOwn) {
  mirror_.rig.SetBudget(350);
  mirror_.Release("r1", {2, 3});
  mirror_.rig.budget_options.bytes = 0;
  mirror_.rig.BecomeLeaderAnew();
  mirror_.Settle();
  EXPECT_EQ(Query("SELECT coalesce(bytes::text, 'none') FROM budget"), "none");
  EXPECT_EQ(mirror_.Published(), "0 1 2 3");
}

}  // namespace
}  // namespace hnx::test
