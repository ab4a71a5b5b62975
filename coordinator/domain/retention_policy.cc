#include "coordinator/domain/retention_policy.h"

#include <algorithm>

namespace hnx::coordinator {
namespace {

constexpr std::int64_t kMillisecondsPerDay = 86'400'000;

}  // namespace

std::vector<std::string> ReleasesToRetire(const RetentionRules& rules,
                                          const std::vector<RetainedRelease>& releases,
                                          std::int64_t now_ms) {
  std::vector<std::string> names;
  if (rules.keep_releases == 0 && rules.keep_days == 0) {
    return names;
  }
  std::uint32_t settled = 0;  // newer ones that count against keep_releases
  for (const RetainedRelease& release : releases) {
    if (release.pinned || release.at_work) {
      continue;
    }
    if (release.settled_at_ms == 0) {
      if (settled > 0) {
        names.push_back(release.name);
      }
      continue;
    }
    const std::int64_t age_days = (now_ms - release.settled_at_ms) / kMillisecondsPerDay;
    const bool kept = release.latest || settled < rules.keep_releases ||
                      (rules.keep_days > 0 && age_days < rules.keep_days);
    ++settled;
    if (!kept) {
      names.push_back(release.name);
    }
  }
  std::reverse(names.begin(), names.end());
  return names;
}

}  // namespace hnx::coordinator
