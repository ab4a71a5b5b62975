#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/json_text.h"
#include "cli/option.h"
#include "cli/table.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/failures_commands.h"
#include "coordinator/cli/release_json.h"
#include "coordinator/cli/release_text.h"

namespace hnx::coordinator {
namespace {

struct FailuresOptions {
  ClientOptions client;
  std::uint64_t release = 0;
};

// They may be many: printed some at a time.
constexpr std::uint64_t kRowsATable = 1'000;

cli::Table FailureTable() {
  return cli::Table({{"STATE"}, {"PATH"}, {"REASON"}, {"ATTEMPTS", cli::Align::kRight}, {"SINCE"}});
}

void AddFailure(const pb::Failure& failure, cli::Table& table) {
  std::vector<std::string> remarks;
  if (!failure.blocked_by().empty()) {
    remarks.push_back("needs " + failure.blocked_by());
  } else if (!failure.message().empty()) {
    remarks.push_back(failure.message());
  }
  if (!failure.accepted().empty()) {
    remarks.push_back("accepted: " + failure.accepted());
  }
  table.Add({failure.state(), failure.store_path(), failure.reason(),
             std::to_string(failure.attempts()), FormatTime(failure.since_ms())},
            std::move(remarks));
}

Result<cli::ExitCode> ListFailures(const FailuresOptions& options) {
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  std::uint64_t count = 0;
  cli::Table table = FailureTable();
  HNX_TRY(client.ListFailures(options.release, [&](const pb::Failure& failure) -> Result<void> {
    if (options.client.json) {
      std::cout << cli::JsonLine(ToJson(failure)) << '\n';
      return {};
    }
    AddFailure(failure, table);
    if (++count % kRowsATable == 0) {
      table.Print(std::cout);
    }
    return {};
  }));
  if (!options.client.json) {
    table.Finish(std::cout, "Nothing failed.");
  }
  return cli::ExitCode::kOk;
}

}  // namespace

void AddFailuresCommand(cli::Program& program) {
  auto options = std::make_shared<FailuresOptions>();
  const auto run = [options] {
    const auto code = ListFailures(*options);
    return code ? *code : Fail(code.error());
  };
  const auto add_options = [options](CLI::App& command) {
    cli::AddOption(command, "--release", options->release, "The release's number; 0: the newest");
    AddClientOptions(command, options->client);
  };
  CLI::App& failures =
      program.AddCommand("failures",
                         "List what of a release is missing upstream, set aside or blocked, and "
                         "why; retry or ignore it",
                         run,
                         "coordinator failures\ncoordinator failures list --release 3 --json\n"
                         "coordinator failures retry --all",
                         cli::kAskingExits);
  add_options(failures);
  add_options(program.AddCommand(failures, "list", "The same as without a word", run,
                                 "coordinator failures list --release 3 --json",
                                 cli::kAskingExits));
  AddFailuresRetry(program, failures);
  AddFailuresIgnore(program, failures);
}

}  // namespace hnx::coordinator
