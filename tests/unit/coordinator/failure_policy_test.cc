#include "coordinator/domain/failure_policy.h"

#include <gtest/gtest.h>

namespace hnx::coordinator {
namespace {

NarDecision Decide(ErrorCode code, int attempts_before,
                   std::optional<std::chrono::milliseconds> retry_after = {}) {
  std::mt19937_64 random(1);
  return DecideNarFailure({}, code, attempts_before, retry_after, random);
}

TEST(FailurePolicyTest, AbsenceIsFinalAtOnce) {
  EXPECT_EQ(Decide(ErrorCode::kNotFound, 0).verdict, NarVerdict::kMissing);
}

TEST(FailurePolicyTest, WrongBytesGetASecondTryAndNoThird) {
  EXPECT_EQ(Decide(ErrorCode::kDataLoss, 0).verdict, NarVerdict::kRetry);
  EXPECT_EQ(Decide(ErrorCode::kDataLoss, 1).verdict, NarVerdict::kSetAside);
  EXPECT_EQ(Decide(ErrorCode::kInvalidArgument, 1).verdict, NarVerdict::kSetAside);
}

TEST(FailurePolicyTest, PassingTroubleIsTriedAgainUntilTheLimit) {
  const int limit = FailurePolicyOptions{}.transient.attempts_max;
  EXPECT_EQ(Decide(ErrorCode::kUnavailable, limit - 2).verdict, NarVerdict::kRetry);
  EXPECT_EQ(Decide(ErrorCode::kUnavailable, limit - 1).verdict, NarVerdict::kSetAside);
}

TEST(FailurePolicyTest, AWorkersOwnTroubleNeverCounts) {
  EXPECT_EQ(Decide(ErrorCode::kResourceExhausted, 1'000).verdict, NarVerdict::kRelease);
  EXPECT_EQ(Decide(ErrorCode::kCancelled, 1'000).verdict, NarVerdict::kRelease);
}

TEST(FailurePolicyTest, RetryAfterPausesTheUpstreamButNotForEver) {
  EXPECT_EQ(Decide(ErrorCode::kUnavailable, 0, std::chrono::seconds(7)).pause_upstream,
            std::chrono::seconds(7));
  EXPECT_EQ(Decide(ErrorCode::kUnavailable, 0, std::chrono::hours(1'000)).pause_upstream,
            FailurePolicyOptions{}.transient.retry_after_cap);
}

}  // namespace
}  // namespace hnx::coordinator
