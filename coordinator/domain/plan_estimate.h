// PlanEstimate: whether a release fits on the workers' disks, and how long it will take. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "coordinator/domain/release_view.h"

namespace hnx::coordinator {

// Merkle trees, bitfields and entries beside the NAR files, and the index: measured at under one
// percent for NARs over 64 KiB; small ones cost about this much each.
inline constexpr double kDiskOverheadShare = 0.02;
inline constexpr std::uint64_t kDiskBytesPerNar = 2'048;
inline constexpr std::uint64_t kDiskBytesPerPath = 4'096;

struct PlanFacts {
  std::uint64_t paths = 0;
  std::uint64_t missing = 0;
  std::uint64_t nars_to_fetch = 0;
  std::uint64_t bytes_to_fetch = 0;
  std::uint64_t nar_bytes = 0;
  std::uint64_t workers = 0;  // live ones that mirror
  std::uint64_t disk_free_bytes = 0;
  std::uint64_t reserved_bytes = 0;  // by other releases at work
  double bytes_a_second = 0;         // measured lately; 0: nothing was
};

enum class PlanVerdict {
  kPlanned,      // only a plan was asked for
  kMirror,       // go on
  kRefuse,       // does not fit
  kWaitForRoom,  // no live worker has said how much room there is
};

PlanView EstimatePlan(const PlanFacts& facts);
PlanVerdict DecidePlan(const PlanFacts& facts, const PlanView& estimate, bool plan_only,
                       bool force);
// For people: what was refused, and what to do.
std::string RefusalMessage(const PlanView& estimate);

}  // namespace hnx::coordinator
