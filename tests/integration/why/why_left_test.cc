// `coordinator why` of paths that leave the mirror, and of those that the budget leaves out.
#include <gtest/gtest.h>

#include "budget_rig.h"
#include "why_rig.h"

namespace hnx::test {
namespace {

// 0 <- 1 <- 2; 3 refers to 1; 4 is large, 5 refers to it.
class WhyLeftTest : public testing::Test {
 protected:
  nlohmann::json Why(int path) { return WhyOf(mirror_.rig, path); }
  // Steps of retirement until the path is said to be in this situation.
  void RetireUntil(int path, const std::string& situation) {
    constexpr int kStepsMax = 100;
    for (int step = 0; step < kStepsMax && Why(path)["situation"] != situation; ++step) {
      Must(mirror_.rig.retirer->Step());
    }
  }

  BudgetRig mirror_{{{},
                     {.references = {0}},
                     {.references = {1}},
                     {.references = {1}},
                     {.file_size = 500},
                     {.references = {4}}}};
};

TEST_F(WhyLeftTest, WhatNoReleaseHasLeavesTheIndexRetiresAndIsForgotten) {
  mirror_.Release("r1", {2});
  mirror_.Release("r2", {3});
  ExpectWhy(Why(2), "published", "published", "");
  mirror_.Keep(1);
  RetireUntil(2, "leaving");
  auto why = Why(2);
  ExpectWhy(why, "published", "leaving", "no release has it any more");
  EXPECT_EQ(why["needed_by_count"], 0);
  RetireUntil(2, "retiring");
  why = Why(2);
  ExpectWhy(why, "stored", "retiring", "its narinfo left the index at 20");
  EXPECT_FALSE(why["nar"]["unlisted_at_ms"].is_null());
  EXPECT_FALSE(why["place"].is_null()) << "its NAR is there still";
  mirror_.Settle();
  mirror_.SetDay(31);
  mirror_.Settle();
  why = Why(2);
  ExpectWhy(why, "discovered", "unneeded", "no release has it (any more)");
  EXPECT_TRUE(why["nar"].is_null());
  EXPECT_NE(why["history"].dump().find("its NAR left the mirror"), std::string::npos);
  ExpectWhy(Why(3), "published", "published", "");
}

TEST_F(WhyLeftTest, WhatTheBudgetLeavesOutSaysWhatItWouldTake) {
  mirror_.rig.SetBudget(350);
  mirror_.Release("r1", {2, 3, 5});
  auto why = Why(3);
  ExpectWhy(why, "left_out", "left_out", "outside of the budget of 350 bytes");
  EXPECT_EQ(why["budget"]["bytes"], 350);
  EXPECT_FALSE(why["budget"]["value"].is_null());
  why = Why(5);
  ExpectWhy(why, "left_out", "left_out_too_large", "is larger than the budget of 350 bytes");
  EXPECT_EQ(why["budget"]["too_large"], true);
  EXPECT_NE(why["advice"].get<std::string>().find("--budget"), std::string::npos);
}

TEST_F(WhyLeftTest, WhatComesInWhenThereIsRoomAndWhatGivesItUpSaySo) {
  mirror_.Release("r1", {2});
  mirror_.Release("r2", {3});
  ExpectWhy(Why(2), "published", "published", "");
  mirror_.rig.SetBudget(350);
  const auto why = Why(3)["situation"] == "published" ? Why(2) : Why(3);
  ExpectWhy(why, "published", "leaving", "outside of the budget");
}

TEST_F(WhyLeftTest, WhatTheBudgetHasYetToLookAtSaysSo) {
  mirror_.rig.SetBudget(350);
  mirror_.rig.SubmitRoots(mirror_.upstream, {2}, "c", "r1");
  mirror_.rig.Plan();
  ExpectWhy(Why(2), "left_out", "left_out_undecided", "has yet to be chosen for it");
}

TEST_F(WhyLeftTest, WhatIsInsideOfTheBudgetWaitsForRoom) {
  mirror_.rig.SetBudget(350);
  mirror_.Release("r1", {2});
  ASSERT_EQ(Why(2)["situation"], "published");
  mirror_.Release("r2", {3});
  Sql(mirror_.rig.uri,
      "UPDATE release SET submitted_at = now() - interval '7 days' "
      "WHERE name = 'r1'");
  mirror_.ChooseAgain();
  ExpectWhy(Why(3), "left_out", "left_out_for_now", "no room before what leaves has given it back");
}

}  // namespace
}  // namespace hnx::test
