#include "coordinator/domain/plan_estimate.h"

#include <gtest/gtest.h>

namespace hnx::coordinator {
namespace {

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

PlanVerdict Decide(const PlanFacts& facts, bool plan_only = false, bool force = false) {
  return DecidePlan(facts, EstimatePlan(facts), plan_only, force);
}

TEST(PlanEstimateTest, RefusesWhatDoesNotFitAndSaysWhatToDo) {
  const PlanFacts facts{.paths = 10,
                        .nars_to_fetch = 10,
                        .bytes_to_fetch = 2 * kGiB,
                        .workers = 1,
                        .disk_free_bytes = kGiB};
  EXPECT_EQ(Decide(facts), PlanVerdict::kRefuse);
  EXPECT_NE(RefusalMessage(EstimatePlan(facts)).find("--force"), std::string::npos);
  EXPECT_EQ(Decide(facts, false, /*force=*/true), PlanVerdict::kMirror);
  EXPECT_EQ(Decide(facts, /*plan_only=*/true), PlanVerdict::kPlanned);
}

TEST(PlanEstimateTest, CountsWhatOtherReleasesWillTake) {
  PlanFacts facts{.paths = 1,
                  .nars_to_fetch = 1,
                  .bytes_to_fetch = kGiB,
                  .workers = 1,
                  .disk_free_bytes = 2 * kGiB};
  EXPECT_EQ(Decide(facts), PlanVerdict::kMirror);
  facts.reserved_bytes = kGiB;
  EXPECT_EQ(Decide(facts), PlanVerdict::kRefuse);
}

TEST(PlanEstimateTest, WaitsForAWorkerBeforeItSpeaksOfRoom) {
  EXPECT_EQ(Decide({.paths = 1, .nars_to_fetch = 1, .bytes_to_fetch = 1}),
            PlanVerdict::kWaitForRoom);
}

TEST(PlanEstimateTest, NothingToFetchAlwaysFits) {
  EXPECT_EQ(Decide({.paths = 5, .reserved_bytes = kGiB}), PlanVerdict::kMirror);
}

}  // namespace
}  // namespace hnx::coordinator
