#include <iostream>
#include <memory>

#include <fmt/format.h>

#include "cli/json_text.h"
#include "cli/option.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/release_json.h"
#include "coordinator/cli/release_text.h"
#include "coordinator/cli/release_watch.h"
#include "coordinator/cli/selection.h"

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
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  HNX_ASSIGN_OR_RETURN(const pb::SubmitResponse response, client.Submit(submission, list));
  if (!options.wait) {
    if (options.client.json) {
      std::cout << cli::JsonLine(
                       {{"release_id", response.release_id()}, {"existed", response.existed()}})
                << '\n';
    } else {
      std::cout << fmt::format(
          "Release {} {}. Follow it with `coordinator watch --release {}`.\n",
          response.release_id(),
          response.existed() ? "goes on, it was submitted before" : "is queued",
          response.release_id());
    }
    return cli::ExitCode::kOk;
  }
  HNX_ASSIGN_OR_RETURN(const pb::Release release,
                       WatchRelease(client, options.client, response.release_id(), false));
  if (!options.client.json) {
    std::cout << Summary(release) << '\n';
  }
  return ExitCodeOf(release);
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
      "nix-store -qR ./result | coordinator submit --store-paths - --name mine");
  AddSelectionOptions(command, options->selection);
  cli::AddFlag(command, "--wait", options->wait,
               "Show the progress and return when the release is settled");
  AddClientOptions(command, options->client);
}

}  // namespace hnx::coordinator
