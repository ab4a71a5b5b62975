#include "coordinator/store/pg_host_table.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "base/log.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {
namespace {

// In SQL a share lives longer than at its user, whose clock began before ours.
constexpr std::chrono::milliseconds kShareGrace{1'000};
// While nothing of a limit is left for a user it asks again after this.
constexpr std::chrono::milliseconds kNoShareWait{500};
// Without limits nothing has to end when the coordinators are away.
constexpr std::chrono::milliseconds kNoLimitValid = std::chrono::hours(24);

int Int(std::uint64_t value) {
  return static_cast<int>(std::min<std::uint64_t>(value, std::numeric_limits<int>::max()));
}

std::chrono::milliseconds PauseOf(PgTransaction& transaction, const std::string& host) {
  const auto row = transaction.MaybeRow(sql::kHostPause, host);
  return std::chrono::milliseconds(row ? (*row)["pause_ms"].as<std::int64_t>() : 0);
}

}  // namespace

HostAllowance ClaimShare(PgTransaction& transaction, const std::string& host,
                         const std::string& holder, const HostUseReport& use,
                         const HostLimits& limits) {
  HostAllowance allowance{.host = host, .limits = limits, .share = {}};
  allowance.valid = kShareValid;
  transaction.Exec(sql::kNoteHostLimits, host, static_cast<std::int64_t>(limits.bytes_per_second),
                   limits.requests_per_second, Int(limits.transfers_max));
  if (limits.any()) {
    transaction.Exec(sql::kLockShares, host);
  }
  allowance.pause = PauseOf(transaction, host);
  if (!limits.any()) {
    allowance.valid = kNoLimitValid;
    return allowance;
  }
  const pqxx::row held = transaction.Row(sql::kOtherShares, host, holder);
  const OtherShares others{
      .holders = held["holders"].as<std::uint32_t>(),
      .held = {.bytes_per_second = held["bytes_per_second"].as<std::uint64_t>(),
               .requests_per_second = held["requests_per_second"].as<double>(),
               .transfers = static_cast<std::uint32_t>(held["transfers"].as<std::int64_t>())}};
  allowance.share = ShareOut(limits, others);
  if (limits.transfers_max > 0 && allowance.share.transfers == 0) {
    allowance.pause = std::max(allowance.pause, kNoShareWait);
  }
  const HostShare may_use = LargerOf(allowance.share, use.share);
  transaction.Exec(sql::kHoldShare, host, holder,
                   static_cast<std::int64_t>(may_use.bytes_per_second), may_use.requests_per_second,
                   Int(may_use.transfers), Int(use.window),
                   static_cast<std::int64_t>((kShareValid + kShareGrace).count()));
  return allowance;
}

std::vector<HostAllowance> ClaimShares(PgTransaction& transaction, const std::string& worker_id,
                                       const std::vector<HostUseReport>& uses,
                                       const HostLimits& limits) {
  std::map<std::string, HostUseReport> by_host;
  PgArray keep;
  for (const HostUseReport& use : uses) {
    by_host[use.host] = use;
    keep.AddText(use.host);
  }
  std::vector<HostAllowance> allowances;
  for (const pqxx::row& row : transaction.Exec(sql::kHostsOfWorker, worker_id)) {
    const auto host = row[0].as<std::string>();
    allowances.push_back(ClaimShare(transaction, host, worker_id, by_host[host], limits));
    keep.AddText(host);
  }
  transaction.Exec(sql::kReleaseShares, worker_id, keep.Literal());
  return allowances;
}

std::vector<HostAllowance> RepeatShares(PgTransaction& transaction, const std::string& worker_id,
                                        const std::vector<HostUseReport>& uses,
                                        const HostLimits& limits) {
  std::map<std::string, HostShare> in_force;
  for (const HostUseReport& use : uses) {
    in_force[use.host] = use.share;
  }
  std::vector<HostAllowance> allowances;
  for (const pqxx::row& row : transaction.Exec(sql::kHostsOfWorker, worker_id)) {
    const auto host = row[0].as<std::string>();
    allowances.push_back({.host = host,
                          .limits = limits,
                          .share = in_force[host],
                          .pause = PauseOf(transaction, host),
                          .valid = limits.any() ? kShareValid : kNoLimitValid});
  }
  return allowances;
}

void NoteHostFailures(PgTransaction& transaction, std::int64_t upstream, std::uint64_t failures,
                      const FailurePolicyOptions& policy, std::mt19937_64& random) {
  const auto before = transaction.MaybeRow(sql::kBreakerOpens, upstream);
  if (!before) {
    return;
  }
  const int opens = (*before)[0].as<int>() + 1;
  const auto after = transaction.MaybeRow(
      sql::kCountHostFailures, upstream, Int(failures), policy.breaker_failures,
      static_cast<std::int64_t>(policy.breaker.Delay(opens, random).count()));
  if (after && (*after)["breaker"].as<std::string>() == "open") {
    Log("upstream")
        ->warn(
            "{} failed {} times in a row: nothing is leased from it until a probe "
            "goes well",
            (*after)["host"].as<std::string>(), (*after)["failures_in_a_row"].as<int>());
  }
}

void NoteHostAnswers(PgTransaction& transaction, const std::vector<std::int64_t>& upstreams,
                     bool stored) {
  if (!upstreams.empty()) {
    transaction.Exec(sql::kHostAnswered, Int64Array(upstreams), stored);
  }
}

}  // namespace hnx::coordinator
