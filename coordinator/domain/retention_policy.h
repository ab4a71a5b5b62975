// RetentionPolicy: which releases of a channel are beyond what is kept of it. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hnx::coordinator {

// 0: no such rule. With both, what either keeps is kept; without any, everything is.
struct RetentionRules {
  std::uint32_t keep_releases = 0;
  std::uint32_t keep_days = 0;
};

// All submissions of one release.
struct RetainedRelease {
  std::string name;
  std::int64_t id = 0;             // of the newest submission
  std::int64_t settled_at_ms = 0;  // of the last one to settle; 0: none did
  bool pinned = false;
  bool latest = false;
  bool at_work = false;  // some submission is neither settled nor given up
};

// The names to retire, the oldest first. `releases`: the newest first. Pinned ones, the latest and
// those at work are kept beside the `keep_releases` newest settled ones. What never settled (a
// plan, a refused release) goes when a newer release has settled.
std::vector<std::string> ReleasesToRetire(const RetentionRules& rules,
                                          const std::vector<RetainedRelease>& releases,
                                          std::int64_t now_ms);

}  // namespace hnx::coordinator
