#include <iostream>
#include <memory>

#include <fmt/format.h>

#include "cli/json_text.h"
#include "cli/option.h"
#include "cli/terminal.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/failures_commands.h"
#include "coordinator/cli/release_json.h"

namespace hnx::coordinator {
namespace {

struct FailuresOptions {
  ClientOptions client;
  std::uint64_t release = 0;
};

void PrintFailure(const pb::Failure& failure) {
  std::cout << fmt::format("{:<9} {}\n", failure.state(), cli::Printable(failure.store_path()));
  if (!failure.blocked_by().empty()) {
    std::cout << fmt::format("          needs {}\n", cli::Printable(failure.blocked_by()));
    return;
  }
  std::cout << fmt::format("          {}{}{}\n", cli::Printable(failure.reason()),
                           failure.message().empty() ? "" : ": ",
                           cli::Printable(failure.message()));
  if (!failure.accepted().empty()) {
    std::cout << fmt::format("          accepted: {}\n", cli::Printable(failure.accepted()));
  }
}

Result<cli::ExitCode> ListFailures(const FailuresOptions& options) {
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  std::uint64_t count = 0;
  HNX_TRY(client.ListFailures(options.release, [&](const pb::Failure& failure) -> Result<void> {
    ++count;
    if (options.client.json) {
      std::cout << cli::JsonLine(ToJson(failure)) << '\n';
    } else {
      PrintFailure(failure);
    }
    return {};
  }));
  if (count == 0 && !options.client.json) {
    std::cout << "Nothing failed.\n";
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
                         "coordinator failures retry --all");
  add_options(failures);
  add_options(program.AddCommand(failures, "list", "The same as without a word", run,
                                 "coordinator failures list --release 3 --json"));
  AddFailuresRetry(program, failures);
  AddFailuresIgnore(program, failures);
}

}  // namespace hnx::coordinator
