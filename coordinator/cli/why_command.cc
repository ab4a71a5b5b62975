#include <iostream>
#include <memory>

#include "cli/json_text.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/why_json.h"
#include "coordinator/cli/why_text.h"

namespace hnx::coordinator {
namespace {

struct WhyOptions {
  ClientOptions client;
  std::string path;
};

Result<cli::ExitCode> Explain(const WhyOptions& options) {
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  HNX_ASSIGN_OR_RETURN(const pb::WhyResponse why, client.Why(options.path));
  if (options.client.json) {
    std::cout << cli::JsonLine(ToJson(why)) << '\n';
  } else {
    std::cout << WhyText(why);
  }
  return cli::ExitCode::kOk;
}

}  // namespace

void AddWhyCommand(cli::Program& program) {
  auto options = std::make_shared<WhyOptions>();
  CLI::App& command = program.AddCommand(
      "why", "Tell the history and the present state of one path",
      [options] {
        const auto code = Explain(*options);
        return code ? *code : Fail(code.error());
      },
      "coordinator why /nix/store/...-hello-2.12\n"
      "coordinator why 1b9p07z77phvv2hf6gm9f28syp39f1ag\n"
      "coordinator why /nix/store/...-hello-2.12 --json",
      cli::kAskingExits);
  command.add_option("path", options->path, "A store path, its base name or its hash")
      ->required()
      ->configurable(false);
  AddClientOptions(command, options->client);
}

}  // namespace hnx::coordinator
