// BudgetPolicy: what a path is worth to a mirror that may hold so many bytes of NARs and no more.
// The rule, which store/sql/budget.sql computes for all paths at once:
//
//   own value   infinite, when a pinned release has the path; otherwise
//               log2(1 + hits) - age + bonus
//     hits      requests of clients for its narinfo, each worth half as much a half-life later
//     age       in weeks, of the youngest release at work that has it; 0 when that is its channel's
//               latest or not settled yet
//     bonus     when its NAR is stored: what comes has to be worth more than what would go
//   value       the greatest own value of the path and of all that need it, directly or through
//               others: a reference is worth what its referrers are
//
// Kept is the longest prefix in the order of value, depth (references before referrers) and number
// whose files, each once, fit. It is closed under References; what is left of a cycle that the end
// cuts goes too. A NAR larger than the whole budget, and all that needs it, do not compete.
#pragma once

#include <chrono>
#include <cstdint>

namespace hnx::coordinator {

inline constexpr std::chrono::milliseconds kHitHalfLife{std::chrono::hours(24 * 7)};
// Half a week of age, or about every second hit of the first two.
inline constexpr double kStoredBonus = 0.5;
// What is worth less is forgotten.
inline constexpr double kHitsMin = 0.01;

struct PathWorth {
  bool pinned = false;
  double hits = 0;  // when they were counted
  std::chrono::milliseconds since_hits{0};
  std::chrono::milliseconds age{0};
  bool stored = false;
};

// Its own value.
double OwnValue(const PathWorth& path);

}  // namespace hnx::coordinator
