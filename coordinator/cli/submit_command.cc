#include <memory>

#include "cli/option.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/selection.h"
#include "coordinator/cli/submit_and_follow.h"

namespace hnx::coordinator {
namespace {

struct SubmitOptions {
  ClientOptions client;
  Selection selection;
  bool wait = false;
};

Result<cli::ExitCode> Submit(const SubmitOptions& options) {
  HNX_ASSIGN_OR_RETURN(const pb::Submission submission, ToSubmission(options.selection));
  HNX_ASSIGN_OR_RETURN(const ListSource list, OpenList(options.selection));
  return SubmitAndFollow(options.client, submission, list, options.wait);
}

}  // namespace

void AddSubmitCommand(cli::Program& program) {
  auto options = std::make_shared<SubmitOptions>();
  CLI::App& command = program.AddCommand(
      "submit", "Have a channel or a list of store paths mirrored",
      [options] {
        const auto code = Submit(*options);
        return code ? *code : Fail(code.error());
      },
      "coordinator submit --channel nixos-unstable --match '-hello-[0-9]' --wait\n"
      "coordinator submit --path /nix/store/...-hello-2.12 --wait\n"
      "nix-store -qR ./result | coordinator submit --store-paths - --name mine",
      cli::kLongExits);
  AddSelectionOptions(command, options->selection);
  cli::AddFlag(command, "--wait", options->wait,
               "Show the progress and return when the release is settled");
  AddClientOptions(command, options->client);
}

}  // namespace hnx::coordinator
