#include <iostream>
#include <memory>

#include "cli/json_text.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/release_json.h"
#include "coordinator/cli/worker_text.h"

namespace hnx::coordinator {
namespace {

Result<cli::ExitCode> ListWorkers(const ClientOptions& options) {
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options));
  HNX_ASSIGN_OR_RETURN(const pb::Status status, client.GetStatus());
  cli::Table table = WorkerTable();
  for (const pb::WorkerStatus& worker : status.workers()) {
    if (options.json) {
      std::cout << cli::JsonLine(ToJson(worker)) << '\n';
    } else {
      AddWorker(worker, table);
    }
  }
  if (!options.json) {
    table.Finish(std::cout, "No worker has come so far; see `worker run`.");
  }
  return cli::ExitCode::kOk;
}

}  // namespace

void AddWorkersCommand(cli::Program& program) {
  auto options = std::make_shared<ClientOptions>();
  CLI::App& command = program.AddCommand(
      "workers", "List the workers, what they do, and which may be removed",
      [options] {
        const auto code = ListWorkers(*options);
        return code ? *code : Fail(code.error());
      },
      "coordinator workers\ncoordinator workers --json | jq 'select(.removable)'",
      cli::kAskingExits);
  AddClientOptions(command, *options);
}

}  // namespace hnx::coordinator
