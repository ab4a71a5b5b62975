#include <iostream>
#include <memory>

#include <fmt/format.h>

#include "cli/json_text.h"
#include "cli/terminal.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/release_text.h"
#include "coordinator/cli/release_watch.h"
#include "coordinator/cli/selection.h"

namespace hnx::coordinator {
namespace {

constexpr int kLackingShownMax = 20;

struct PlanOptions {
  ClientOptions client;
  Selection selection;
};

// The first few paths that upstream lacks or that were refused.
Result<void> PrintLacking(CoordinatorClient& client, std::uint64_t release_id) {
  int shown = 0;
  std::uint64_t more = 0;
  HNX_TRY(client.ListFailures(release_id, [&](const pb::Failure& failure) -> Result<void> {
    if (failure.state() == "blocked") {
      return {};
    }
    if (shown == kLackingShownMax) {
      ++more;
      return {};
    }
    ++shown;
    std::cout << fmt::format("  {}: {} ({})\n", failure.state(), failure.store_path(),
                             cli::Printable(failure.reason()));
    return {};
  }));
  if (more > 0) {
    std::cout << fmt::format("  and {} more: coordinator failures --release {}\n", more,
                             release_id);
  }
  return {};
}

Result<cli::ExitCode> Plan(const PlanOptions& options) {
  HNX_ASSIGN_OR_RETURN(pb::Submission submission, ToSubmission(options.selection));
  submission.set_plan_only(true);
  HNX_ASSIGN_OR_RETURN(const ListSource list, OpenList(options.selection));
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  HNX_ASSIGN_OR_RETURN(const pb::SubmitResponse response, client.Submit(submission, list));
  HNX_ASSIGN_OR_RETURN(const pb::Release release,
                       WatchRelease(client, options.client, response.release_id(), true));
  if (release.state() == pb::RELEASE_STATE_REFUSED) {
    return FailedPrecondition(Summary(release));
  }
  if (!options.client.json) {
    std::cout << PlanText(release);
    HNX_TRY(PrintLacking(client, response.release_id()));
  }
  return cli::ExitCode::kOk;
}

}  // namespace

void AddPlanCommand(cli::Program& program) {
  auto options = std::make_shared<PlanOptions>();
  CLI::App& command = program.AddCommand(
      "plan", "Say what mirroring would take, before a byte of NAR is fetched",
      [options] {
        const auto code = Plan(*options);
        return code ? *code : Fail(code.error());
      },
      "coordinator plan --channel nixos-unstable\n"
      "coordinator plan --channel nixos-unstable --match '-hello-[0-9]' --json",
      cli::kWaitingExits);
  AddSelectionOptions(command, options->selection);
  AddClientOptions(command, options->client);
}

}  // namespace hnx::coordinator
