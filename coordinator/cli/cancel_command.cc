#include <iostream>
#include <memory>

#include <fmt/format.h>

#include "cli/json_text.h"
#include "cli/option.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/release_json.h"
#include "coordinator/cli/release_text.h"

namespace hnx::coordinator {
namespace {

struct CancelOptions {
  ClientOptions client;
  std::uint64_t release = 0;
  std::string reason;
};

Result<cli::ExitCode> Cancel(const CancelOptions& options) {
  pb::CancelRequest request;
  request.set_release_id(options.release);
  request.set_reason(options.reason);
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  HNX_ASSIGN_OR_RETURN(const pb::CancelResponse response,
                       client.Ask("cancel", &pb::Coordinator::Stub::Cancel, request));
  if (options.client.json) {
    auto json = ToJson(response.release());
    json["leases_ended"] = response.leases_ended();
    std::cout << cli::JsonLine(json) << '\n';
  } else {
    std::cout << fmt::format(
        "Release {} ({}) is cancelled; {} leases were ended. What is stored stays; submit it again "
        "to go on.\n",
        response.release().id(), ReleaseTitle(response.release()), response.leases_ended());
  }
  return cli::ExitCode::kOk;
}

}  // namespace

void AddCancelCommand(cli::Program& program) {
  auto options = std::make_shared<CancelOptions>();
  CLI::App& command = program.AddCommand(
      "cancel", "End the work on a release for good; what is stored stays",
      [options] {
        const auto code = Cancel(*options);
        return code ? *code : Fail(code.error());
      },
      "coordinator cancel 3\ncoordinator cancel 3 --reason 'superseded' --json", cli::kAskingExits);
  command.add_option("release", options->release, "The release's number")
      ->required()
      ->check(CLI::PositiveNumber)
      ->configurable(false);
  cli::AddOption(command, "--reason", options->reason, "Why; shown by `coordinator status`");
  AddClientOptions(command, options->client);
}

}  // namespace hnx::coordinator
