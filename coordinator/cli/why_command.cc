#include <iostream>
#include <memory>

#include <fmt/format.h>

#include "cli/json_text.h"
#include "cli/terminal.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/release_json.h"
#include "coordinator/cli/release_text.h"

namespace hnx::coordinator {
namespace {

struct WhyOptions {
  ClientOptions client;
  std::string path;
};

void PrintWhy(const pb::WhyResponse& why) {
  std::cout << cli::Printable(why.store_path()) << '\n';
  std::cout << "  " << why.state() << ": " << cli::Printable(why.explanation()) << '\n';
  if (!why.upstream().empty()) {
    std::cout << "  from " << cli::Printable(why.upstream()) << '\n';
  }
  if (!why.nar_url().empty()) {
    std::cout << "  NAR: " << cli::Printable(why.nar_url());
    std::cout << (why.shard_z32().empty() ? "" : " in shard " + why.shard_z32()) << '\n';
  }
  for (const std::string& path : why.waiting_for()) {
    std::cout << "  waits for " << cli::Printable(path) << '\n';
  }
  for (const std::string& release : why.releases()) {
    std::cout << "  in " << cli::Printable(release) << '\n';
  }
  for (const pb::WhyEvent& event : why.history()) {
    std::cout << "  " << FormatTime(event.at_ms()) << "  " << cli::Printable(event.what()) << '\n';
  }
}

Result<cli::ExitCode> Explain(const WhyOptions& options) {
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  HNX_ASSIGN_OR_RETURN(const pb::WhyResponse why, client.Why(options.path));
  if (options.client.json) {
    std::cout << cli::JsonLine(ToJson(why)) << '\n';
  } else {
    PrintWhy(why);
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
      "coordinator why /nix/store/...-hello-2.12\ncoordinator why "
      "1b9p07z77phvv2hf6gm9f28syp39f1ag",
      cli::kAskingExits);
  command.add_option("path", options->path, "A store path, its base name or its hash")
      ->required()
      ->configurable(false);
  AddClientOptions(command, options->client);
}

}  // namespace hnx::coordinator
