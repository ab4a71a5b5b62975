#include "coordinator/domain/follow_policy.h"

#include <gtest/gtest.h>

namespace hnx::coordinator {
namespace {

using std::chrono::milliseconds;

FollowFacts Rested() {
  return {.seen_for = milliseconds(61'000), .debounce = milliseconds(60'000)};
}

TEST(FollowPolicy, SubmitsWhatRestedForTheDebounce) {
  EXPECT_EQ(DecideFollow(Rested()), FollowStep::kSubmit);
  FollowFacts facts = Rested();
  facts.seen_for = facts.debounce - milliseconds(1);
  EXPECT_EQ(DecideFollow(facts), FollowStep::kWait);
  facts.debounce = milliseconds(0);
  EXPECT_EQ(DecideFollow(facts), FollowStep::kSubmit);
}

TEST(FollowPolicy, SubmitsNothingTwice) {
  FollowFacts facts = Rested();
  facts.release_known = true;
  EXPECT_EQ(DecideFollow(facts), FollowStep::kNothing);
  facts = Rested();
  facts.pinning = true;
  EXPECT_EQ(DecideFollow(facts), FollowStep::kNothing) << "it may become this very release";
}

TEST(FollowPolicy, TriesAgainMuchLaterWhatCouldNotEvenBePinned) {
  FollowFacts facts = Rested();
  facts.submitted_for = milliseconds(0);
  EXPECT_EQ(DecideFollow(facts), FollowStep::kNothing);
  facts.submitted_for = kResubmitAfter;
  EXPECT_EQ(DecideFollow(facts), FollowStep::kSubmit);
}

}  // namespace
}  // namespace hnx::coordinator
