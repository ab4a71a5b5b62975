#include <iostream>
#include <memory>

#include <fmt/format.h>

#include "cli/json_text.h"
#include "cli/option.h"
#include "cli/terminal.h"
#include "cli/units.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/release_json.h"
#include "coordinator/cli/release_text.h"

namespace hnx::coordinator {
namespace {

struct ReleasesOptions {
  ClientOptions client;
  std::string channel;
};

std::string Marks(const pb::Release& release) {
  std::string marks;
  marks += release.latest() ? ", latest" : "";
  marks += release.pinned() ? ", pinned" : "";
  return marks;
}

void PrintRelease(const pb::Release& release) {
  const pb::PathCounts& paths = release.paths();
  const std::uint64_t left_out = paths.missing() + paths.set_aside() + paths.blocked();
  std::cout << fmt::format("{:>5}  {}\n", release.id(), ReleaseTitle(release));
  std::cout << fmt::format(
      "       {}{}; {} of {} paths published{}, {} in {} NARs; submitted {}\n",
      ReleaseStateName(release.state()), Marks(release), cli::FormatCount(paths.published()),
      cli::FormatCount(paths.total()),
      (left_out > 0 ? fmt::format(", {} left out", cli::FormatCount(left_out)) : "") +
          (paths.left_out() > 0
               ? fmt::format(", {} outside of the budget", cli::FormatCount(paths.left_out()))
               : ""),
      cli::FormatBytes(release.nars().bytes_total()), cli::FormatCount(release.nars().total()),
      FormatTime(release.submitted_at_ms()));
}

Result<cli::ExitCode> ListReleases(const ReleasesOptions& options) {
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  std::uint64_t count = 0;
  HNX_TRY(client.ListReleases(options.channel, [&](const pb::Release& release) -> Result<void> {
    ++count;
    if (options.client.json) {
      std::cout << cli::JsonLine(ToJson(release)) << '\n';
    } else {
      PrintRelease(release);
    }
    return {};
  }));
  if (count == 0 && !options.client.json) {
    std::cout << "No releases; see `coordinator submit` and `coordinator follow`.\n";
  }
  return cli::ExitCode::kOk;
}

}  // namespace

void AddReleasesCommand(cli::Program& program) {
  auto options = std::make_shared<ReleasesOptions>();
  CLI::App& command = program.AddCommand(
      "releases",
      "List all releases, the newest first: state, counts, bytes, which is latest, pinned, "
      "retiring",
      [options] {
        const auto code = ListReleases(*options);
        return code ? *code : Fail(code.error());
      },
      "coordinator releases\ncoordinator releases --channel nixos-unstable --json | jq -r .name");
  cli::AddOption(command, "--channel", options->channel, "Only those of this channel or list");
  AddClientOptions(command, options->client);
}

}  // namespace hnx::coordinator
