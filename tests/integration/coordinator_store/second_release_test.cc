// A release of which most was planned for the one before it: what comes of it is what would come of
// it alone, and the work grows with what changed.
#include <functional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "store_rig.h"
#include "support/postgres_fixture.h"

namespace hnx::test {
namespace {

using coordinator::ReleaseId;

// A release of a channel of its own, before its roots are known.
ReleaseId Pin(StoreRig& rig, const std::string& channel) {
  const ReleaseId release = Must(rig.releases->Submit({.channel = channel,
                                                       .upstream_url = "http://upstream",
                                                       .match = {},
                                                       .exclude = {},
                                                       .plan_only = true,
                                                       .force = true,
                                                       .max_missing = 1,
                                                       .priority = 0,
                                                       .is_list = false}))
                                .release;
  Must(rig.walk->PinRelease(
      release, {.name = channel, .source_url = "http://channels/" + channel, .revision = ""}));
  return release;
}

class SecondReleaseTest : public testing::Test {
 protected:
  std::string Ask(const std::string& sql) { return Sql(rig_.uri, sql); }
  std::string Ask(const std::string& sql, ReleaseId release) {
    return Sql(rig_.uri, fmt::format(fmt::runtime(sql), release));
  }
  std::string Id(int path) {
    return fmt::format("(SELECT id FROM path WHERE hash = '{}')", HashOf(path));
  }
  std::string Members(ReleaseId release) {
    return Ask(
        "SELECT string_agg(p.hash, ' ' ORDER BY p.hash) FROM release_path rp JOIN path p ON p.id = "
        "rp.path_id "
        "WHERE rp.release_id = {}",
        release);
  }

  // Pins a release of a channel of its own and adds its roots. Alone: it takes nothing over.
  ReleaseId Resolve(const std::vector<int>& roots, const std::string& channel, bool alone = false) {
    const ReleaseId release = Pin(rig_, channel);
    if (alone) {
      Ask(fmt::format("UPDATE release SET base_id = NULL WHERE id = {}", release));
    }
    std::vector<coordinator::PathName> names;
    for (const int path : roots) {
      names.push_back({HashOf(path), upstream_[static_cast<std::size_t>(path)].name});
    }
    Must(rig_.walk->AddRoots(release, names));
    Must(rig_.walk->BeginWalk(release));
    return release;
  }
  // Walks and plans it too.
  ReleaseId Plan(const std::vector<int>& roots, const std::string& channel, bool alone = false) {
    const ReleaseId release = Resolve(roots, channel, alone);
    WalkAndPlan(release);
    return release;
  }
  void WalkAndPlan(ReleaseId release) {
    rig_.Walk(release, upstream_);
    rig_.Background();
    EXPECT_EQ(rig_.View(release).state, "planned");
  }

  // It is what a release of the same roots is that takes nothing over, and its counters are right.
  void ExpectIsLike(ReleaseId release, ReleaseId other) {
    EXPECT_EQ(Members(release), Members(other));
    EXPECT_EQ(Ask("SELECT count(*) FROM release_path rp JOIN path p ON p.id = rp.path_id "
                  "JOIN path_reference e ON e.referrer = p.id "
                  "WHERE rp.release_id = {0} AND p.state NOT IN ('missing', 'set_aside') "
                  "AND NOT EXISTS (SELECT FROM release_path o "
                  "WHERE o.release_id = {0} AND o.path_id = e.reference)",
                  release),
              "0");
    EXPECT_EQ(Ask("SELECT count(*) FROM release_path rp JOIN path p ON p.id = rp.path_id WHERE "
                  "rp.release_id = {} "
                  "AND (p.depth IS NULL OR (NOT p.watched AND p.narinfo_id IS NOT NULL))",
                  release),
              "0");
    EXPECT_EQ(
        Ask("SELECT coalesce(string_agg(DISTINCT p.nar_id::text, ' '), '') FROM release_path rp "
            "JOIN path p ON p.id = rp.path_id WHERE rp.release_id = {}",
            release),
        Ask("SELECT coalesce(string_agg(DISTINCT nar_id::text, ' '), '') FROM release_nar WHERE "
            "release_id = {}",
            release));
    EXPECT_EQ(Ask("SELECT sum(total), sum(published), sum(missing), sum(set_aside), sum(blocked), "
                  "sum(narinfos), "
                  "sum(nars), sum(bytes) FROM release_delta WHERE release_id = {}",
                  release),
              Ask("SELECT sum(total), sum(published), sum(missing), sum(set_aside), sum(blocked), "
                  "sum(narinfos), "
                  "sum(nars), sum(bytes) FROM release_delta WHERE release_id = {}",
                  other));
    EXPECT_EQ(Ask("SELECT base_id IS NULL AND closed AND walked_at IS NOT NULL FROM release WHERE "
                  "id = {}",
                  release),
              "t");
  }
  std::string TakenOver(ReleaseId release) {
    return Ask("SELECT count(*) FROM release_path WHERE release_id = {} AND planned", release);
  }

  // 0 <- 1 <- 2 ... <- 5; 6 refers to 4 and 7 to nothing.
  FakeUpstream upstream_{{.references = {}},  {.references = {0}}, {.references = {1}},
                         {.references = {2}}, {.references = {3}}, {.references = {4}},
                         {.references = {4}}, {.references = {}}};
  StoreRig rig_{PostgresFixture::Get().NewDatabase()};
};

TEST_F(SecondReleaseTest, TakesOverWhatWasPlannedAndWhatThatRefersTo) {
  Plan({5}, "one");
  // Of the roots 4 was planned; 0 to 3 only follow from it.
  const ReleaseId second = Plan({4, 6, 7}, "two");
  EXPECT_EQ(TakenOver(second), "5");
  const ReleaseId alone = Plan({4, 6, 7}, "three", true);
  EXPECT_EQ(TakenOver(alone), "0");
  ExpectIsLike(second, alone);
}

TEST_F(SecondReleaseTest, TakesNothingOverFromOneThatIsNotClosed) {
  const ReleaseId first = Plan({5}, "one");
  Ask(fmt::format("UPDATE release SET closed = false WHERE id = {}", first));
  const ReleaseId second = Plan({5, 6}, "two");
  EXPECT_EQ(TakenOver(second), "0");
  ExpectIsLike(second, Plan({5, 6}, "three", true));
}

TEST_F(SecondReleaseTest, WalksEverythingAfterAllWhenItsBaseGoesAway) {
  const ReleaseId first = Plan({5}, "one");
  const ReleaseId second = Resolve({4, 6}, "two");
  EXPECT_EQ(TakenOver(second), "1");
  Ask(fmt::format("UPDATE release SET state = 'cancelled' WHERE id = {}", first));
  WalkAndPlan(second);
  ExpectIsLike(second, Plan({4, 6}, "three", true));
}

TEST_F(SecondReleaseTest, WalksEverythingAfterAllWhenItHasLittleOfItsBase) {
  Plan({5}, "one");
  const ReleaseId second = Plan({1}, "two");
  EXPECT_EQ(TakenOver(second), "1");  // and what it refers to was walked
  ExpectIsLike(second, Plan({1}, "three", true));
}

// As a narinfo does that another release's walk finds changed.
TEST_F(SecondReleaseTest, SeesReferencesThatChangeWhileItIsWalked) {
  Plan({7}, "before", true);
  const ReleaseId first = Plan({5}, "one", true);
  const ReleaseId second = Resolve({4, 6}, "two");
  EXPECT_EQ(TakenOver(second), "1");
  Ask("INSERT INTO narinfo (content) VALUES ('another')");
  Ask("INSERT INTO path_reference VALUES (" + Id(4) + ", " + Id(7) + ")");
  Ask("UPDATE path SET narinfo_id = (SELECT max(id) FROM narinfo), depth = NULL, watched = false, "
      "waits_for = NULL "
      "WHERE id = " +
      Id(4));
  EXPECT_EQ(Ask("SELECT closed FROM release WHERE id = {}", first), "f");
  EXPECT_EQ(TakenOver(second), "0");
  WalkAndPlan(second);
  EXPECT_NE(Members(second).find(HashOf(7)), std::string::npos);
  ExpectIsLike(second, Plan({4, 6}, "three", true));
}

// What failed paths refer to is not in a release. When one of them is read after all, for another
// release, that one lacks something.
TEST_F(SecondReleaseTest, TakesNothingOverFromOneOfWhichAFailedPathWasReadAfterAll) {
  const ReleaseId whole = Plan({5}, "one", true);
  Ask("UPDATE path SET state = 'missing', reason = 'http-404' WHERE id = " + Id(4));
  upstream_[4].missing = true;
  const ReleaseId lacking = Plan({4, 6, 7}, "two");
  ExpectIsLike(lacking, Plan({4, 6, 7}, "two alone", true));
  EXPECT_EQ(Ask("SELECT count(*) FROM release_path WHERE release_id = {}", lacking), "3");
  Ask("UPDATE path SET state = 'known', reason = NULL, blocked_by = NULL WHERE id = " + Id(4));
  EXPECT_EQ(Ask("SELECT closed FROM release WHERE id = {}", whole), "t");
  EXPECT_EQ(Ask("SELECT closed FROM release WHERE id = {}", lacking), "f");
  rig_.Background();
  upstream_[4].missing = false;
  const ReleaseId third = Plan({4, 6}, "three");
  ExpectIsLike(third, Plan({4, 6}, "three alone", true));
}

TEST_F(SecondReleaseTest, PlansAnewWhatIsUnwatchedMeanwhile) {
  Plan({5}, "one");
  const ReleaseId second = Resolve({4, 6}, "two");
  Ask("UPDATE path SET depth = NULL, watched = false, waits_for = NULL WHERE id = " + Id(4));
  WalkAndPlan(second);
  ExpectIsLike(second, Plan({4, 6}, "three", true));
}

// A coordinator that knows nothing of bases says that the walk has ended.
TEST_F(SecondReleaseTest, IsNotWalkedBeforeItIsClosed) {
  Plan({5}, "one");
  const ReleaseId second = Resolve({4}, "two");
  Ask(fmt::format("UPDATE release SET walked_at = now(), message = '' WHERE id = {}", second));
  EXPECT_EQ(Ask("SELECT walked_at IS NULL AND base_id IS NULL FROM release WHERE id = {}", second),
            "t");
  WalkAndPlan(second);
  ExpectIsLike(second, Plan({4}, "three", true));
}

// What nothing but a bug, or a hand in the database, can do. It was tried again and again without a
// word.
TEST_F(SecondReleaseTest, PlanningOneThatIsNotClosedFailsAndSaysWhatItLacks) {
  const ReleaseId release = Resolve({2}, "one", true);
  rig_.Walk(release, upstream_);
  Ask("DELETE FROM release_path WHERE path_id = " + Id(0));
  Result<bool> step = rig_.planner->PlanStep();
  for (int i = 0; i < 100 && step.has_value() && *step; ++i) {
    step = rig_.planner->PlanStep();
  }
  ASSERT_FALSE(step.has_value());
  EXPECT_NE(step.error().message.find(HashOf(1)), std::string::npos) << step.error().message;
  EXPECT_NE(step.error().message.find(HashOf(0)), std::string::npos) << step.error().message;
}

// Random graphs, and random parts of them.
class RandomSecondReleaseTest : public SecondReleaseTest,
                                public testing::WithParamInterface<unsigned> {};

TEST_P(RandomSecondReleaseTest, IsWhatItWouldBeAlone) {
  constexpr int kPaths = 40;
  std::mt19937 random(GetParam());
  upstream_.assign(kPaths, {});
  for (int path = 1; path < kPaths; ++path) {
    FakePath& fake = upstream_[static_cast<std::size_t>(path)];
    std::set<int> references;
    for (unsigned i = random() % 4; i > 0; --i) {
      references.insert(static_cast<int>(random() % static_cast<unsigned>(path)));
    }
    fake.references.assign(references.begin(), references.end());
    constexpr unsigned kOneMissingOf = 15;
    fake.missing = random() % kOneMissingOf == 0;
  }
  const auto some = [&](unsigned of_ten) {
    std::vector<int> roots{0};
    for (int path = 1; path < kPaths; ++path) {
      if (random() % 10 < of_ten) {
        roots.push_back(path);
      }
    }
    return roots;
  };
  Plan(some(7), "one");
  for (const std::string name : {"two", "three"}) {
    const std::vector<int> roots = some(6);
    const ReleaseId release = Plan(roots, name);
    EXPECT_NE(TakenOver(release), "0");
    ExpectIsLike(release, Plan(roots, name + " alone", true));
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, RandomSecondReleaseTest, testing::Range(0U, 12U));

// Rows looked at and written for a second release, of whose paths the last `changed` are new.
struct Work {
  double references_read = 0;
  double frontier_written = 0;
  double paths_written = 0;
};

Work WorkOfSecondRelease(int paths, int changed) {
  const std::string uri = PostgresFixture::Get().NewDatabase();
  FakeUpstream upstream(static_cast<std::size_t>(paths + changed));
  const auto refer = [&](int path, int place) {
    std::set<int> references;
    for (const int share : {2, 3, 5, 7}) {
      references.insert(place / share);
    }
    upstream[static_cast<std::size_t>(path)].references.assign(references.begin(),
                                                               references.end());
  };
  for (int path = 1; path < paths; ++path) {
    refer(path, path);
  }
  for (int path = 0; path < changed; ++path) {
    refer(paths + path, paths - changed + path);
  }
  const auto settle = [&uri] {
    // What a session did is counted at the latest when it has ended.
    while (Sql(uri,
               "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid "
               "<> pg_backend_pid()") != "0") {
      std::this_thread::yield();
    }
  };
  const auto counts = [&](const std::string& what, const std::string& table) {
    return std::stod(
        Sql(uri, "SELECT " + what + " FROM pg_stat_user_tables WHERE relname = '" + table + "'"));
  };
  const auto look = [&] {
    return Work{
        .references_read = counts("seq_tup_read", "path_reference") +
                           std::stod(Sql(uri,
                                         "SELECT sum(idx_tup_read) FROM pg_stat_user_indexes "
                                         "WHERE relname = 'path_reference'")),
        .frontier_written = counts("n_tup_ins", "release_frontier"),
        .paths_written = counts("n_tup_upd", "path")};
  };
  const auto plan = [&](int first_root, int changed_from, const std::string& name) {
    StoreRig rig(uri);
    rig.expand_limit = rig.frontier_limit = 500;
    const ReleaseId release = Pin(rig, name);
    std::vector<coordinator::PathName> roots;
    for (int place = first_root; place < paths; ++place) {
      const int path = place < changed_from ? place : place + changed;
      roots.push_back({HashOf(path), upstream[static_cast<std::size_t>(path)].name});
    }
    Must(rig.walk->AddRoots(release, roots));
    Must(rig.walk->BeginWalk(release));
    rig.Walk(release, upstream);
    rig.Plan();
    EXPECT_EQ(rig.View(release).paths_total, static_cast<std::uint64_t>(paths));
    Sql(uri, "ANALYZE");
  };
  plan(0, paths, "one");
  settle();
  const Work before = look();
  plan(0, paths - changed, "two");
  settle();
  const Work after = look();
  return {.references_read = after.references_read - before.references_read,
          .frontier_written = after.frontier_written - before.frontier_written,
          .paths_written = after.paths_written - before.paths_written};
}

TEST(SecondReleaseGrowthTest, WorkGrowsWithWhatChangedAndNotWithTheRelease) {
  constexpr int kChanged = 40;
  const Work few = WorkOfSecondRelease(500, kChanged);
  const Work many = WorkOfSecondRelease(2'000, kChanged);
  EXPECT_EQ(few.frontier_written, kChanged);
  EXPECT_EQ(many.frontier_written, kChanged);
  EXPECT_EQ(many.paths_written, few.paths_written);
  EXPECT_LT(many.references_read, 1.2 * few.references_read);
  const Work more = WorkOfSecondRelease(2'000, 4 * kChanged);
  EXPECT_EQ(more.frontier_written, 4 * kChanged);
  EXPECT_GT(more.references_read, 2 * many.references_read);
}

}  // namespace
}  // namespace hnx::test
