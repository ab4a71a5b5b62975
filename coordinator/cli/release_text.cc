#include "coordinator/cli/release_text.h"

#include <ctime>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "cli/terminal.h"
#include "cli/units.h"
#include "coordinator/cli/release_json.h"

namespace hnx::coordinator {
namespace {

namespace pb = ::hypercore_nixos::v1;

std::uint64_t Unpublished(const pb::PathCounts& paths) {
  return paths.missing() + paths.set_aside() + paths.blocked();
}

std::string OutsideBudget(const pb::PathCounts& paths) {
  return fmt::format("{} are outside of the budget", cli::FormatCount(paths.left_out()));
}

std::string LeftOut(const pb::PathCounts& paths) {
  return fmt::format("{} missing upstream, {} set aside, {} blocked by those",
                     cli::FormatCount(paths.missing()), cli::FormatCount(paths.set_aside()),
                     cli::FormatCount(paths.blocked()));
}

}  // namespace

std::string ReleaseTitle(const pb::Release& release) {
  std::string title = release.channel().empty() ? "paths" : release.channel();
  if (!release.name().empty() && release.name() != release.channel()) {
    title += " " + release.name();
  }
  return cli::Printable(title);
}

std::vector<cli::ProgressBar> ProgressOf(const pb::Release& release) {
  const pb::PathCounts& paths = release.paths();
  const pb::NarCounts& nars = release.nars();
  std::string left_out;
  if (Unpublished(paths) > 0) {
    left_out = LeftOut(paths);
  }
  if (paths.left_out() > 0) {
    left_out += (left_out.empty() ? "" : ", ") + cli::FormatCount(paths.left_out()) +
                " outside of the budget";
  }
  switch (release.state()) {
    case pb::RELEASE_STATE_RESOLVING:
      return {{"release files", release.release_files(), 0, cli::ProgressUnit::kCount,
               release.message()}};
    case pb::RELEASE_STATE_WALKING:
      return {{"narinfos", release.narinfos_read(), paths.total(), cli::ProgressUnit::kCount,
               release.message()}};
    default:
      return {{"NARs", nars.bytes_stored(), nars.bytes_total(), cli::ProgressUnit::kBytes,
               fmt::format("{} of {} files", cli::FormatCount(nars.stored()),
                           cli::FormatCount(nars.total()))},
              {"published", paths.published(), paths.total(), cli::ProgressUnit::kCount, left_out}};
  }
}

std::string Summary(const pb::Release& release) {
  const pb::PathCounts& paths = release.paths();
  const std::string title = ReleaseTitle(release);
  switch (release.state()) {
    case pb::RELEASE_STATE_SETTLED:
      if (Unpublished(paths) == 0 && paths.left_out() > 0) {
        return fmt::format("{}: {} of {} paths are published, and {}.", title,
                           cli::FormatCount(paths.published()), cli::FormatCount(paths.total()),
                           OutsideBudget(paths));
      }
      if (Unpublished(paths) == 0) {
        return fmt::format("{}: all {} paths are published.", title,
                           cli::FormatCount(paths.total()));
      }
      return fmt::format(
          "{}: {} of {} paths are published; {}{}.\nSee `coordinator failures --release {}`.{}",
          title, cli::FormatCount(paths.published()), cli::FormatCount(paths.total()),
          LeftOut(paths), paths.left_out() > 0 ? ", " + OutsideBudget(paths) : "", release.id(),
          release.latest() ? "" : "\nToo many are left out: the channel's `latest` was not moved.");
    case pb::RELEASE_STATE_REFUSED:
      return fmt::format("{}: refused: {}", title, cli::Printable(release.message()));
    case pb::RELEASE_STATE_PLANNED:
      return fmt::format("{}: planned; submit it to mirror it.", title);
    case pb::RELEASE_STATE_CANCELLED:
      return fmt::format("{}: cancelled: {}", title, cli::Printable(release.message()));
    default:
      return fmt::format("{}: {}{}", title, ReleaseStateName(release.state()),
                         release.message().empty() ? "" : ", " + cli::Printable(release.message()));
  }
}

std::string PlanText(const pb::Release& release) {
  const pb::PlanEstimate& plan = release.plan();
  const auto seconds = static_cast<std::int64_t>(plan.seconds_expected());
  std::string text = fmt::format("{}\n", ReleaseTitle(release));
  const auto line = [&text](const char* what, const std::string& value) {
    text += fmt::format("  {:<20} {}\n", what, value);
  };
  line("paths", cli::FormatCount(plan.paths()));
  line("NARs to fetch", fmt::format("{}, {}", cli::FormatCount(plan.nars_to_fetch()),
                                    cli::FormatBytes(plan.bytes_to_fetch())));
  line("stored already", cli::FormatBytes(release.nars().bytes_reused()));
  line("unpacked", cli::FormatBytes(plan.nar_bytes()));
  line("expected time", seconds > 0 ? cli::FormatDuration(std::chrono::seconds(seconds))
                                    : "not known before something was fetched");
  line("room needed",
       fmt::format("{}, free on the workers {}", cli::FormatBytes(plan.disk_needed_bytes()),
                   cli::FormatBytes(plan.disk_free_bytes())));
  line("upstream lacks", fmt::format("{} paths", cli::FormatCount(plan.missing_upstream())));
  line("refused", fmt::format("{} paths", cli::FormatCount(release.paths().set_aside())));
  line("fits", plan.fits() ? "yes" : "no: add room or workers, narrow it with --match, or --force");
  return text;
}

std::string FormatTime(std::int64_t unix_ms) {
  constexpr std::int64_t kMillisecondsPerSecond = 1000;
  const auto seconds = static_cast<std::time_t>(unix_ms / kMillisecondsPerSecond);
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::gmtime(seconds));
}

bool IsOver(const pb::Release& release, bool plan_only) {
  switch (release.state()) {
    case pb::RELEASE_STATE_SETTLED:
    case pb::RELEASE_STATE_REFUSED:
    case pb::RELEASE_STATE_PLANNED:
    case pb::RELEASE_STATE_CANCELLED:
    case pb::RELEASE_STATE_RETIRING:
    case pb::RELEASE_STATE_RETIRED:
      return true;
    case pb::RELEASE_STATE_MIRRORING:
      return plan_only;
    default:
      return false;
  }
}

cli::ExitCode ExitCodeOf(const pb::Release& release) {
  if (release.state() != pb::RELEASE_STATE_SETTLED) {
    return cli::ExitCode::kFailure;
  }
  const pb::PathCounts& paths = release.paths();
  // What is outside of the budget is so because the operator wants it.
  return paths.published() + paths.left_out() == paths.total() ? cli::ExitCode::kOk
                                                               : cli::ExitCode::kPartial;
}

}  // namespace hnx::coordinator
