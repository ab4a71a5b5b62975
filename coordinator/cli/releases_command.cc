#include <iostream>
#include <memory>

#include "cli/json_text.h"
#include "cli/option.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/release_json.h"
#include "coordinator/cli/release_table.h"

namespace hnx::coordinator {
namespace {

struct ReleasesOptions {
  ClientOptions client;
  std::string channel;
};

Result<cli::ExitCode> ListReleases(const ReleasesOptions& options) {
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  cli::Table table = ReleaseTable();
  HNX_TRY(client.ListReleases(options.channel, [&](const pb::Release& release) -> Result<void> {
    if (options.client.json) {
      std::cout << cli::JsonLine(ToJson(release)) << '\n';
    } else {
      AddRelease(release, table);
    }
    return {};
  }));
  if (!options.client.json) {
    table.Finish(std::cout, "No releases; see `coordinator submit` and `coordinator follow`.");
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
      "coordinator releases\ncoordinator releases --channel nixos-unstable --json | jq -r .name",
      cli::kAskingExits);
  cli::AddOption(command, "--channel", options->channel, "Only those of this channel or list");
  AddClientOptions(command, options->client);
}

}  // namespace hnx::coordinator
