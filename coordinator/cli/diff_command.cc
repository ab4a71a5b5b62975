#include <iostream>
#include <memory>

#include <fmt/format.h>

#include "cli/json_text.h"
#include "cli/option.h"
#include "cli/terminal.h"
#include "cli/units.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/release_json.h"

namespace hnx::coordinator {
namespace {

struct DiffOptions {
  ClientOptions client;
  std::string from;
  std::string to;
  bool summary = false;
};

void PrintPath(const pb::PathDifference& path) {
  std::cout << fmt::format("{} {}  {}{}\n", path.added() ? '+' : '-',
                           cli::Printable(path.store_path()), cli::FormatBytes(path.bytes()),
                           path.state() == "published" ? "" : ", " + path.state());
}

void PrintTotals(const pb::DifferenceTotals& totals) {
  const auto line = [](const char* what, std::uint64_t paths, std::uint64_t nars,
                       std::uint64_t bytes) {
    std::cout << fmt::format("{}: {} paths, {} NARs, {}\n", what, cli::FormatCount(paths),
                             cli::FormatCount(nars), cli::FormatBytes(bytes));
  };
  line("added", totals.paths_added(), totals.nars_added(), totals.bytes_added());
  line("gone", totals.paths_gone(), totals.nars_gone(), totals.bytes_gone());
}

Result<cli::ExitCode> Diff(const DiffOptions& options) {
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  pb::DiffReleasesRequest request;
  request.set_from(options.from);
  request.set_to(options.to);
  HNX_TRY(client.DiffReleases(request, [&](const pb::ReleaseDifference& difference) {
    if (options.summary && difference.has_path()) {
      return Result<void>();
    }
    if (options.client.json) {
      std::cout << cli::JsonLine(ToJson(difference)) << '\n';
    } else if (difference.has_path()) {
      PrintPath(difference.path());
    } else {
      PrintTotals(difference.totals());
    }
    return Result<void>();
  }));
  return cli::ExitCode::kOk;
}

}  // namespace

void AddDiffCommand(cli::Program& program) {
  auto options = std::make_shared<DiffOptions>();
  CLI::App& command = program.AddCommand(
      "diff",
      "Tell which paths a release has that another lacks, and the other way round, with their "
      "bytes",
      [options] {
        const auto code = Diff(*options);
        return code ? *code : Fail(code.error());
      },
      "coordinator diff 3 4\n"
      "coordinator diff nixos-unstable/nixos-26.11pre1.0123456789ab nixos-unstable --summary\n"
      "coordinator diff 3 4 --json | jq -r 'select(.change == \"added\").store_path'",
      cli::kAskingExits);
  command.add_option("from", options->from, "A release: number, CHANNEL/NAME, NAME, or CHANNEL")
      ->required()
      ->configurable(false);
  command.add_option("to", options->to, "The release to compare it with")
      ->required()
      ->configurable(false);
  cli::AddFlag(command, "--summary", options->summary, "Only the totals");
  AddClientOptions(command, options->client);
}

}  // namespace hnx::coordinator
