#include "hyp/drive_import.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "base/clock.h"
#include "cli/units.h"
#include "hyp/link_resolver.h"

namespace hnx::hyp {

namespace {

constexpr std::chrono::milliseconds kGrowthInterval{100};
// When nothing came for so long, what is missing is asked for file by file. Blocks of files that
// were deleted long ago may be with nobody.
constexpr std::chrono::milliseconds kQuietMax{3000};

std::uint64_t BytesFetched(const std::vector<HeldDrive>& drives) {
  std::uint64_t bytes = 0;
  for (const HeldDrive& drive : drives) {
    bytes += drive.bytes_fetched;
  }
  return bytes;
}

Error Stopped() {
  return {ErrorCode::kCancelled, "import: stopped; the same command goes on from here"};
}

}  // namespace

hyper::ReadLimits DriveImport::Within() const {
  hyper::ReadLimits limits = hyper::ReadLimits::Within(options_.timeout);
  limits.cancellation = stop_.cancellation();
  return limits;
}

Result<void> DriveImport::WaitForHead() {
  auto fresh = holder_.drives().front()->WaitForFreshHead(Within());
  if (!fresh && IsNobodyThere(fresh.error())) {
    return Error{ErrorCode::kDeadlineExceeded,
                 fmt::format("nobody who has the drive {} answered within {}; name a peer with "
                             "--peer HOST:PORT, or wait longer with --timeout",
                             options_.key.id(), cli::FormatDuration(options_.timeout))};
  }
  return fresh;
}

Result<void> DriveImport::LookForShards() {
  const std::vector<std::string> troubles = holder_.LookForShards(Within());
  if (stop_.cancellation()->cancelled()) {
    return Stopped();
  }
  if (!troubles.empty()) {
    return FailedPrecondition(troubles.front());
  }
  return {};
}

Result<void> DriveImport::FetchAll() {
  std::uint64_t bytes = 0;
  auto quiet_since = Clock::Real().Steady();
  while (true) {
    HNX_TRY(LookForShards());
    HNX_ASSIGN_OR_RETURN(const auto drives, holder_.Status());
    progress_(drives);
    const bool whole = std::all_of(drives.begin(), drives.end(),
                                   [](const HeldDrive& drive) { return drive.whole(); });
    const std::uint64_t now = BytesFetched(drives);
    if (now > bytes) {
      bytes = now;
      quiet_since = Clock::Real().Steady();
    }
    if (whole || Clock::Real().Steady() - quiet_since > kQuietMax) {
      return {};
    }
    if (stop_.WaitFor(kGrowthInterval)) {
      return Stopped();
    }
  }
}

Result<bool> DriveImport::CheckFiles() {
  report_.missing.clear();
  hyper::ReadLimits limits;
  limits.stall_max = options_.timeout;
  limits.cancellation = stop_.cancellation();
  const auto drives = holder_.drives();
  for (const auto& drive : drives) {
    auto held = drive->WaitForFreshHead(Within());
    if (held) {
      held = drive->WaitUntilHeld(hyper::RemoteDrive::Keep::kWhole, limits);
    }
    if (!held && !IsNobodyThere(held.error())) {
      return held.error().Annotate("drive " + drive->key().id());
    }
    if (!held) {
      report_.missing.push_back(
          fmt::format("drive {}: {}", drive->key().id(), held.error().message));
    }
    HNX_ASSIGN_OR_RETURN(const auto status, holder_.Status());
    progress_(status);
  }
  HNX_TRY(LookForShards());
  return holder_.drives().size() != drives.size();
}

Result<ImportReport> DriveImport::Run() {
  HNX_TRY(holder_.Add(options_.key));
  HNX_TRY(WaitForHead());
  for (bool again = true; again;) {
    HNX_TRY(FetchAll());
    HNX_ASSIGN_OR_RETURN(again, CheckFiles());
  }
  HNX_ASSIGN_OR_RETURN(report_.drives, holder_.Status());
  return std::move(report_);
}

}  // namespace hnx::hyp
