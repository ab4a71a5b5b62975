// Whatever the graph, the hits, the pins and the budgets: what is held is closed under References
// and within the budget, and nothing else is fetched.
#include <algorithm>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "budget_rig.h"

namespace hnx::test {
namespace {

constexpr int kPaths = 14;

// References to anything, so there are cycles; some paths share a NAR.
FakeUpstream MadeUp(std::mt19937& random) {
  FakeUpstream upstream(kPaths);
  const auto any = [&](int below) {
    return static_cast<int>(random() % static_cast<unsigned>(below));
  };
  for (int path = 0; path < kPaths; ++path) {
    FakePath& fake = upstream[static_cast<std::size_t>(path)];
    for (int i = any(3); i > 0; --i) {
      const int reference = any(5) == 0 ? any(kPaths) : any(path + 1);
      if (reference != path) {
        fake.references.push_back(reference);
      }
    }
    fake.file_size = 50 + static_cast<std::uint64_t>(any(10)) * 20;
    if (path > 0 && any(6) == 0) {
      const int other = any(path);
      fake.nar = upstream[static_cast<std::size_t>(other)].nar < 0
                     ? other
                     : upstream[static_cast<std::size_t>(other)].nar;
    }
  }
  return upstream;
}

std::vector<int> Roots(std::mt19937& random) {
  std::vector<int> roots;
  for (int path = 0; path < kPaths; ++path) {
    if (random() % 3 == 0) {
      roots.push_back(path);
    }
  }
  if (roots.empty()) {
    roots.push_back(kPaths - 1);
  }
  return roots;
}

class BudgetProperty : public testing::TestWithParam<unsigned> {
 protected:
  std::string Query(const std::string& sql) { return Sql(mirror_.rig.uri, sql); }
  void Check(const std::string& when) {
    EXPECT_EQ(Query("SELECT count(*) FROM path p JOIN path_reference e ON e.referrer = p.id JOIN "
                    "path r ON r.id = e.reference "
                    "WHERE p.needed AND NOT p.left_out AND r.left_out"),
              "0")
        << when << ": closed under References";
    EXPECT_EQ(Query("SELECT count(*) FROM nar n WHERE n.state = 'wanted' AND n.needed AND NOT "
                    "EXISTS (SELECT FROM path p WHERE p.nar_id = n.id AND NOT p.left_out)"),
              "0")
        << when << ": nothing that is left out is fetched";
  }
  void ExpectWithin(std::uint64_t budget, const std::string& when) {
    EXPECT_LE(mirror_.worker.bytes_on_disk(), budget) << when;
    EXPECT_LE(std::stoull(Query("SELECT coalesce(sum(w), 0) FROM (SELECT DISTINCT ON (n.file) "
                                "n.weight AS w FROM path p JOIN nar n ON n.id = p.nar_id WHERE "
                                "p.needed AND NOT p.left_out ORDER BY n.file) f")),
              budget)
        << when;
  }

  std::mt19937 random_{GetParam()};
  BudgetRig mirror_{MadeUp(random_)};
};

TEST_P(BudgetProperty, WhatIsHeldIsClosedWithinTheBudgetAndNothingElseIsFetched) {
  const auto bytes = [&] { return 100 + random_() % 900; };
  std::uint64_t budget = bytes();
  mirror_.rig.SetBudget(budget);
  int releases = 0;
  for (int round = 0; round < 6; ++round) {
    const std::string when = fmt::format("seed {} round {}", GetParam(), round);
    SCOPED_TRACE(when);
    switch (round == 0 ? 0 : random_() % 4) {
      case 0:
        mirror_.Release(fmt::format("r{}", ++releases), Roots(random_));
        break;
      case 1:
        Query(
            fmt::format("INSERT INTO path_hits (path_id, hits, at) SELECT id, {} * (id % {}), "
                        "now() FROM path ON CONFLICT (path_id) DO UPDATE SET hits = "
                        "excluded.hits",
                        random_() % 5, 2 + random_() % 5));
        mirror_.ChooseAgain();
        break;
      case 2:
        Query(
            "UPDATE release SET pinned = NOT pinned, submitted_at = submitted_at - interval '9 "
            "days' WHERE id = (SELECT min(id) FROM release)");
        mirror_.ChooseAgain();
        break;
      default:
        budget = bytes();
        mirror_.rig.SetBudget(budget);
        break;
    }
    Check(when);
    mirror_.Settle();
    Check(when + ", settled");
    if (random_() % 2 == 0 || round == 5) {
      mirror_.SetDay(31 * (round + 1));
      mirror_.Settle();
      ExpectWithin(budget, when + ", a month later");
      Check(when + ", a month later");
    }
    EXPECT_EQ(Query("SELECT count(*) FROM release WHERE state <> 'settled'"), "0") << when;
    // What is not left out is in the index, and nothing else.
    EXPECT_EQ(Query("SELECT count(*) FROM path p WHERE p.needed AND (p.state = 'published') = "
                    "p.left_out"),
              "0")
        << when;
  }
  mirror_.rig.SetBudget(0);
  mirror_.Settle();
  mirror_.Settle();
  EXPECT_EQ(Query("SELECT count(*) FROM path p WHERE p.needed AND p.state <> 'published'"), "0");
}

INSTANTIATE_TEST_SUITE_P(Seeds, BudgetProperty, testing::Range(1U, 4U));

}  // namespace
}  // namespace hnx::test
