#include <iostream>
#include <memory>

#include <fmt/format.h>

#include "cli/json_text.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/release_json.h"
#include "coordinator/cli/release_text.h"

namespace hnx::coordinator {
namespace {

struct PriorityOptions {
  ClientOptions client;
  std::uint64_t release = 0;
  int priority = 0;
};

Result<cli::ExitCode> SetPriority(const PriorityOptions& options) {
  pb::SetPriorityRequest request;
  request.set_release_id(options.release);
  request.set_priority(options.priority);
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  HNX_ASSIGN_OR_RETURN(
      const pb::Release release,
      client.Ask("set the priority", &pb::Coordinator::Stub::SetPriority, request));
  if (options.client.json) {
    std::cout << cli::JsonLine(ToJson(release)) << '\n';
  } else {
    std::cout << fmt::format("Release {} ({}) has priority {}.\n", release.id(),
                             ReleaseTitle(release), release.priority());
  }
  return cli::ExitCode::kOk;
}

}  // namespace

void AddPriorityCommand(cli::Program& program) {
  auto options = std::make_shared<PriorityOptions>();
  CLI::App& command = program.AddCommand(
      "priority", "Change which releases are served first; the higher number is",
      [options] {
        const auto code = SetPriority(*options);
        return code ? *code : Fail(code.error());
      },
      "coordinator priority 3 10\ncoordinator priority 3 -- -5", cli::kAskingExits);
  command.add_option("release", options->release, "The release's number")
      ->required()
      ->check(CLI::PositiveNumber)
      ->configurable(false);
  command.add_option("priority", options->priority, "Its priority; submissions begin with 0")
      ->required()
      ->configurable(false);
  AddClientOptions(command, options->client);
}

}  // namespace hnx::coordinator
