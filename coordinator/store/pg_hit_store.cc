#include "coordinator/store/pg_hit_store.h"

#include <limits>

#include <fmt/format.h>

#include "coordinator/domain/budget_policy.h"
#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"
#include "nix/store_path.h"

namespace hnx::coordinator {
namespace {

// With each report.
constexpr std::int64_t kForgottenReportersMax = 100;

bool IsGatewayId(const std::string& id) {
  return id.size() == kGatewayIdLength &&
         id.find_first_not_of("0123456789abcdef") == std::string::npos;
}

Result<void> CheckReport(const HitReport& report) {
  if (!IsGatewayId(report.gateway)) {
    return InvalidArgument(fmt::format("a report of hits names no gateway by {} hexadecimal digits",
                                       kGatewayIdLength));
  }
  if (report.sequence == 0 ||
      report.sequence > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return InvalidArgument("a report of hits has no sequence number");
  }
  if (report.hits.size() > kHitsPerReportMax) {
    return InvalidArgument(
        fmt::format("a report of hits names more than {} paths", kHitsPerReportMax));
  }
  for (const PathHits& path : report.hits) {
    HNX_TRY(nix::StorePathHash::Parse(path.hash));
    if (path.count == 0 || path.count > kHitCountMax) {
      return InvalidArgument(fmt::format("a report of hits counts {} for {}: not 1 to {}",
                                         path.count, path.hash, kHitCountMax));
    }
  }
  return {};
}

}  // namespace

Result<bool> PgHitStore::Take(const HitReport& report) {
  HNX_TRY(CheckReport(report));
  PgArray hashes;
  PgArray counts;
  for (const PathHits& path : report.hits) {
    hashes.AddText(path.hash);
    counts.Add(path.count);
  }
  return RunTransaction(pool_, "count hits", [&](PgTransaction& transaction) -> Result<bool> {
    if (!transaction.MaybeRow(sql::kTakeHitReport, report.gateway,
                              static_cast<std::int64_t>(report.sequence))) {
      return false;
    }
    transaction.Exec(sql::kAddHits, hashes.Literal(), counts.Literal(),
                     static_cast<std::int64_t>(kHitHalfLife.count()));
    transaction.Exec(sql::kForgetReporters, kForgottenReportersMax);
    return true;
  });
}

}  // namespace hnx::coordinator
