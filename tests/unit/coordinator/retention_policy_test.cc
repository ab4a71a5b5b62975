#include "coordinator/domain/retention_policy.h"

#include <gtest/gtest.h>

namespace hnx::coordinator {
namespace {

constexpr std::int64_t kDay = 86'400'000;
constexpr std::int64_t kNow = 1'000 * kDay;
using Names = std::vector<std::string>;

// Settled so many days ago.
RetainedRelease Settled(const std::string& name, std::int64_t days) {
  return {.name = name, .id = 1, .settled_at_ms = kNow - days * kDay};
}

TEST(RetentionPolicy, KeepsEverythingWhileThereIsNoRule) {
  EXPECT_EQ(ReleasesToRetire({}, {Settled("b", 1), Settled("a", 900)}, kNow), Names{});
}

TEST(RetentionPolicy, KeepsTheNewestAndRetiresTheOldestFirst) {
  const std::vector<RetainedRelease> releases{Settled("d", 1), Settled("c", 2), Settled("b", 3),
                                              Settled("a", 4)};
  EXPECT_EQ(ReleasesToRetire({.keep_releases = 2}, releases, kNow), (Names{"a", "b"}));
  EXPECT_EQ(ReleasesToRetire({.keep_releases = 9}, releases, kNow), Names{});
}

TEST(RetentionPolicy, KeepsAllOfSoManyDays) {
  const std::vector<RetainedRelease> releases{Settled("c", 1), Settled("b", 29), Settled("a", 30)};
  EXPECT_EQ(ReleasesToRetire({.keep_days = 30}, releases, kNow), Names{"a"});
}

TEST(RetentionPolicy, KeepsWhatEitherRuleKeeps) {
  const std::vector<RetainedRelease> releases{Settled("c", 1), Settled("b", 2), Settled("a", 99)};
  EXPECT_EQ(ReleasesToRetire({.keep_releases = 1, .keep_days = 30}, releases, kNow), Names{"a"});
  EXPECT_EQ(ReleasesToRetire({.keep_releases = 3, .keep_days = 1}, releases, kNow), Names{});
}

TEST(RetentionPolicy, KeepsPinnedOnesBesideThoseThatCount) {
  std::vector<RetainedRelease> releases{Settled("c", 1), Settled("b", 2), Settled("a", 3)};
  releases[1].pinned = true;
  EXPECT_EQ(ReleasesToRetire({.keep_releases = 1}, releases, kNow), Names{"a"});
}

TEST(RetentionPolicy, KeepsTheLatestHoweverOld) {
  std::vector<RetainedRelease> releases{Settled("b", 800), Settled("a", 900)};
  releases[1].latest = true;  // the newer one lacked too much
  EXPECT_EQ(ReleasesToRetire({.keep_days = 1}, releases, kNow), Names{"b"});
}

TEST(RetentionPolicy, LeavesAloneWhatIsAtWork) {
  std::vector<RetainedRelease> releases{Settled("c", 0), Settled("b", 1), Settled("a", 2)};
  releases[0].at_work = true;
  releases[2].at_work = true;
  EXPECT_EQ(ReleasesToRetire({.keep_releases = 1}, releases, kNow), Names{});
}

TEST(RetentionPolicy, DropsWhatNeverSettledWhenANewerReleaseHas) {
  const RetainedRelease refused{.name = "refused", .id = 1};
  EXPECT_EQ(ReleasesToRetire({.keep_releases = 2}, {Settled("b", 1), refused}, kNow),
            Names{"refused"});
  EXPECT_EQ(ReleasesToRetire({.keep_releases = 2}, {refused, Settled("b", 1)}, kNow), Names{});
}

}  // namespace
}  // namespace hnx::coordinator
