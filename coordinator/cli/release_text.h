// What people read about a release.
#pragma once

#include <string>
#include <vector>

#include "cli/exit_code.h"
#include "cli/progress.h"
#include "hypercore_nixos/v1/coordinator.pb.h"

namespace hnx::coordinator {

// "nixos-unstable nixos-26.11pre1.abc", or what is known of it.
std::string ReleaseTitle(const hypercore_nixos::v1::Release& release);
// The counters that move in the release's present state.
std::vector<cli::ProgressBar> ProgressOf(const hypercore_nixos::v1::Release& release);
// How it ended, or stands: one paragraph.
std::string Summary(const hypercore_nixos::v1::Release& release);
// The plan as a small table.
std::string PlanText(const hypercore_nixos::v1::Release& release);
// "2026-11-22 17:24:13" UTC
std::string FormatTime(std::int64_t unix_ms);

// Nothing of it will change by itself any more. For a plan: it is there.
bool IsOver(const hypercore_nixos::v1::Release& release, bool plan_only);
// kOk: settled and everything published; kPartial: settled, something left out; else kFailure.
cli::ExitCode ExitCodeOf(const hypercore_nixos::v1::Release& release);

}  // namespace hnx::coordinator
