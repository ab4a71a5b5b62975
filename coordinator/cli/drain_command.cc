// drain and undrain: a worker gets no more work, so that it can leave.
#include <iostream>
#include <memory>

#include <fmt/format.h>

#include "cli/json_text.h"
#include "cli/terminal.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/release_json.h"
#include "coordinator/cli/worker_text.h"

namespace hnx::coordinator {
namespace {

struct DrainOptions {
  ClientOptions client;
  std::string worker;
};

Result<cli::ExitCode> Drain(const DrainOptions& options, bool undo) {
  pb::DrainRequest request;
  request.set_worker(options.worker);
  request.set_undo(undo);
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  HNX_ASSIGN_OR_RETURN(
      const pb::WorkerStatus worker,
      client.Ask(undo ? "undrain" : "drain", &pb::Coordinator::Stub::Drain, request));
  if (options.client.json) {
    std::cout << cli::JsonLine(ToJson(worker)) << '\n';
  } else {
    std::cout << fmt::format("{}: {}.\n", cli::Printable(worker.name()),
                             worker.draining() ? DrainText(worker) : "gets work again");
  }
  return cli::ExitCode::kOk;
}

void AddDrainCommand(cli::Program& program, const char* name, const char* description,
                     const char* examples, bool undo) {
  auto options = std::make_shared<DrainOptions>();
  CLI::App& command = program.AddCommand(
      name, description,
      [options, undo] {
        const auto code = Drain(*options, undo);
        return code ? *code : Fail(code.error());
      },
      examples, cli::kAskingExits);
  command.add_option("worker", options->worker, "The worker's name or id")
      ->required()
      ->configurable(false);
  AddClientOptions(command, options->client);
}

}  // namespace

void AddDrainCommands(cli::Program& program) {
  AddDrainCommand(program, "drain", "Give a worker no more work, so that it can leave",
                  "coordinator drain rack2\ncoordinator workers", false);
  AddDrainCommand(program, "undrain", "Give a drained worker work again",
                  "coordinator undrain rack2", true);
}

}  // namespace hnx::coordinator
