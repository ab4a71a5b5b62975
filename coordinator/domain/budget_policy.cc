#include "coordinator/domain/budget_policy.h"

#include <cmath>
#include <limits>

namespace hnx::coordinator {

double OwnValue(const PathWorth& path) {
  if (path.pinned) {
    return std::numeric_limits<double>::infinity();
  }
  using Weeks = std::chrono::duration<double, std::ratio<604'800>>;
  const double half_lives = std::chrono::duration<double, std::milli>(path.since_hits) /
                            std::chrono::duration<double, std::milli>(kHitHalfLife);
  return std::log2(1 + path.hits * std::exp2(-half_lives)) - Weeks(path.age).count() +
         (path.stored ? kStoredBonus : 0);
}

}  // namespace hnx::coordinator
