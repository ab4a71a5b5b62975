#include "coordinator/domain/follow_policy.h"

namespace hnx::coordinator {

FollowStep DecideFollow(const FollowFacts& facts) {
  if (facts.release_known || facts.pinning) {
    return FollowStep::kNothing;
  }
  if (facts.submitted_for >= std::chrono::milliseconds(0) && facts.submitted_for < kResubmitAfter) {
    return FollowStep::kNothing;
  }
  return facts.seen_for < facts.debounce ? FollowStep::kWait : FollowStep::kSubmit;
}

}  // namespace hnx::coordinator
