#include "coordinator/domain/plan_estimate.h"

#include <fmt/format.h>

namespace hnx::coordinator {
namespace {

std::string Gibibytes(std::uint64_t bytes) {
  constexpr double kGibibyte = 1024.0 * 1024.0 * 1024.0;
  return fmt::format("{:.2f} GiB", static_cast<double>(bytes) / kGibibyte);
}

}  // namespace

PlanView EstimatePlan(const PlanFacts& facts) {
  PlanView plan{.paths = facts.paths,
                .nars_to_fetch = facts.nars_to_fetch,
                .bytes_to_fetch = facts.bytes_to_fetch,
                .nar_bytes = facts.nar_bytes,
                .disk_free_bytes = facts.disk_free_bytes,
                .missing_upstream = facts.missing};
  if (facts.nars_to_fetch > 0) {
    plan.disk_needed_bytes =
        facts.bytes_to_fetch +
        static_cast<std::uint64_t>(static_cast<double>(facts.bytes_to_fetch) * kDiskOverheadShare) +
        facts.nars_to_fetch * kDiskBytesPerNar + facts.paths * kDiskBytesPerPath;
  }
  if (facts.bytes_a_second > 0) {
    plan.seconds_expected = static_cast<double>(facts.bytes_to_fetch) / facts.bytes_a_second;
  }
  plan.fits = plan.disk_needed_bytes + facts.reserved_bytes <= facts.disk_free_bytes ||
              plan.disk_needed_bytes == 0;
  return plan;
}

PlanVerdict DecidePlan(const PlanFacts& facts, const PlanView& estimate, bool plan_only,
                       bool force) {
  if (plan_only) {
    return PlanVerdict::kPlanned;
  }
  if (force || estimate.fits) {
    return PlanVerdict::kMirror;
  }
  return facts.workers == 0 ? PlanVerdict::kWaitForRoom : PlanVerdict::kRefuse;
}

std::string RefusalMessage(const PlanView& estimate) {
  return fmt::format(
      "does not fit: {} are needed for {} NARs, the workers have {} free (and may have promised "
      "part of it to other releases); add a worker or disk, take a smaller set with --match, or "
      "submit with --force",
      Gibibytes(estimate.disk_needed_bytes), estimate.nars_to_fetch,
      Gibibytes(estimate.disk_free_bytes));
}

}  // namespace hnx::coordinator
