#include <iostream>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/json_text.h"
#include "cli/terminal.h"
#include "cli/units.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"

namespace hnx::coordinator {
namespace {

using Json = nlohmann::ordered_json;

struct ForgetOptions {
  ClientOptions client;
  std::string worker;
};

Result<void> Forget(const ForgetOptions& options) {
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  pb::ForgetWorkerRequest request;
  request.set_worker(options.worker);
  HNX_ASSIGN_OR_RETURN(
      const pb::ForgetWorkerResponse forgotten,
      client.Ask("forget the worker", &pb::Coordinator::Stub::ForgetWorker, request));
  if (options.client.json) {
    std::cout << cli::JsonLine(Json{{"id", forgotten.id()},
                                    {"name", forgotten.name()},
                                    {"shards_lost", forgotten.shards_lost()},
                                    {"nars", forgotten.nars()},
                                    {"bytes", forgotten.bytes()}})
              << '\n';
    return {};
  }
  std::cout << fmt::format("Worker {} ({}) is forgotten. {} NARs ({}) of its {} shards are lost",
                           cli::Printable(forgotten.name()), forgotten.id(),
                           cli::FormatCount(forgotten.nars()), cli::FormatBytes(forgotten.bytes()),
                           forgotten.shards_lost())
            << (forgotten.nars() == 0 ? ".\n" : "; other workers bring them back.\n");
  return {};
}

}  // namespace

void AddForgetCommand(cli::Program& program) {
  auto options = std::make_shared<ForgetOptions>();
  CLI::App& command = program.AddCommand(
      "forget", "Say that a worker's disk is gone: what lay on it is brought back elsewhere",
      [options] {
        const auto done = Forget(*options);
        return done ? cli::ExitCode::kOk : Fail(done.error());
      },
      "coordinator forget worker-2\ncoordinator forget 5f0c66d2a1b94c0fb1f4d2cf40b8f3a7 --json",
      cli::kAskingExits);
  command.add_option("worker", options->worker, "Its name, or its id as `workers` shows it")
      ->required()
      ->configurable(false);
  AddClientOptions(command, options->client);
}

}  // namespace hnx::coordinator
