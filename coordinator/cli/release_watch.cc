#include "coordinator/cli/release_watch.h"

#include <iostream>
#include <optional>

#include <fmt/format.h>
#include <unistd.h>

#include "cli/json_text.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "coordinator/cli/release_json.h"
#include "coordinator/cli/release_text.h"

namespace hnx::coordinator {

Result<pb::Release> WatchRelease(CoordinatorClient& client, const ClientOptions& options,
                                 std::uint64_t release_id, bool plan_only) {
  cli::ProgressDisplay display(cli::ChooseProgressMode(false, STDERR_FILENO), std::cerr,
                               [] { return cli::TerminalWidth(STDERR_FILENO); });
  std::optional<pb::Release> last;
  const auto take = [&](const pb::Release& release) -> Result<bool> {
    const bool other_state = !last || last->state() != release.state();
    last = release;
    if (options.json) {
      std::cout << cli::JsonLine(ToJson(release)) << '\n' << std::flush;
    } else {
      if (other_state && !IsOver(release, plan_only)) {
        display.Finish();
        display.Message(
            fmt::format("{}: {}", ReleaseTitle(release), ReleaseStateName(release.state())));
      }
      if (release.state() != pb::RELEASE_STATE_REFUSED) {
        display.Update(ProgressOf(release));
      }
    }
    return !IsOver(release, plan_only);
  };
  HNX_TRY(client.Watch(release_id, take));
  if (!options.json) {
    display.Finish();
  }
  if (!last) {
    return Internal("watch the release: the coordinator said nothing");
  }
  return *last;
}

}  // namespace hnx::coordinator
