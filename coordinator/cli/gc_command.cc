#include <iostream>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "cli/json_text.h"
#include "cli/option.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "cli/units.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/release_text.h"

namespace hnx::coordinator {
namespace {

struct GcOptions {
  ClientOptions client;
  bool dry_run = false;
};

nlohmann::ordered_json GarbageJson(const pb::GarbageReport& report) {
  auto releases = nlohmann::ordered_json::array();
  for (const pb::RetiringRelease& release : report.releases()) {
    releases.push_back(
        {{"id", release.id()}, {"channel", release.channel()}, {"name", release.name()}});
  }
  return {{"releases", releases},
          {"paths", report.paths()},
          {"nars", report.nars()},
          {"bytes", report.bytes()},
          {"retiring_nars", report.retiring_nars()},
          {"retiring_bytes", report.retiring_bytes()},
          {"next_due_ms", report.next_due_ms()},
          {"due_nars", report.due_nars()},
          {"due_bytes", report.due_bytes()},
          {"leaving_releases", report.leaving_releases()},
          {"leaving_paths", report.leaving_paths()},
          {"leaving_links", report.leaving_links()},
          {"leaving_copies", report.leaving_copies()},
          {"leaving_bytes", report.leaving_bytes()},
          {"waiting_copies", report.waiting_copies()},
          {"waiting_bytes", report.waiting_bytes()},
          {"reclaimed_nars", report.reclaimed_nars()},
          {"reclaimed_bytes", report.reclaimed_bytes()},
          {"budget_paths", report.budget_paths()},
          {"budget_nars", report.budget_nars()},
          {"budget_bytes", report.budget_bytes()},
          {"done", report.done()}};
}

void PrintForecast(const pb::GarbageReport& report) {
  for (const pb::RetiringRelease& release : report.releases()) {
    std::cout << fmt::format("would retire {}/{}\n", cli::Printable(release.channel()),
                             cli::Printable(release.name()));
  }
  std::cout << fmt::format(
      "{} releases would retire: {} paths leave the index now; their {} NARs, {}, follow when "
      "clients cannot know them any more\n",
      report.releases_size(), cli::FormatCount(report.paths()), cli::FormatCount(report.nars()),
      cli::FormatBytes(report.bytes()));
  if (report.budget_paths() + report.budget_nars() > 0) {
    std::cout << fmt::format(
        "{} paths are outside of the budget, if it were chosen anew now: they leave the index, and "
        "their {} NARs, {}, follow\n",
        cli::FormatCount(report.budget_paths()), cli::FormatCount(report.budget_nars()),
        cli::FormatBytes(report.budget_bytes()));
  }
  std::cout << fmt::format("{} NARs, {}, are named by no narinfo\n",
                           cli::FormatCount(report.retiring_nars()),
                           cli::FormatBytes(report.retiring_bytes()));
  std::cout << fmt::format("{} of them, {}, are due: so much comes back now\n",
                           cli::FormatCount(report.due_nars()),
                           cli::FormatBytes(report.due_bytes()));
  if (report.due_nars() == 0 && report.next_due_ms() > 0) {
    std::cout << fmt::format("the next are due at {} UTC\n", FormatTime(report.next_due_ms()));
  }
  std::cout << fmt::format("{} in {} NARs came back so far\n",
                           cli::FormatBytes(report.reclaimed_bytes()),
                           cli::FormatCount(report.reclaimed_nars()));
}

void PrintOutcome(const pb::GarbageReport& report) {
  std::cout << fmt::format("{} in {} NARs came back\n", cli::FormatBytes(report.reclaimed_bytes()),
                           cli::FormatCount(report.reclaimed_nars()));
  if (report.waiting_copies() > 0) {
    std::cout << fmt::format("{} NARs, {}, wait for workers that are away\n",
                             cli::FormatCount(report.waiting_copies()),
                             cli::FormatBytes(report.waiting_bytes()));
  }
  if (!report.done()) {
    std::cout << fmt::format(
        "not over yet: {} paths, {} links and {} NARs are on their way out; is a worker with "
        "--role index alive? See `coordinator status`\n",
        cli::FormatCount(report.leaving_paths()), cli::FormatCount(report.leaving_links()),
        cli::FormatCount(report.leaving_copies()));
  }
}

Result<cli::ExitCode> CollectGarbage(const GcOptions& options) {
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  pb::CollectGarbageRequest request;
  request.set_dry_run(options.dry_run);
  cli::ProgressDisplay progress(cli::ChooseProgressMode(false, STDERR_FILENO), std::cerr,
                                [] { return cli::TerminalWidth(STDERR_FILENO); });
  pb::GarbageReport last;
  HNX_TRY(client.CollectGarbage(request, [&](const pb::GarbageReport& report) -> Result<void> {
    last = report;
    if (options.client.json) {
      std::cout << cli::JsonLine(GarbageJson(report)) << '\n';
    } else if (!options.dry_run) {
      progress.Update({{"paths to leave", report.leaving_paths(), 0, cli::ProgressUnit::kCount, ""},
                       {"came back", report.reclaimed_bytes(), 0, cli::ProgressUnit::kBytes, ""}});
    }
    return {};
  }));
  if (options.dry_run) {
    if (!options.client.json) {
      PrintForecast(last);
    }
    return cli::ExitCode::kOk;
  }
  progress.Finish();
  if (!options.client.json) {
    PrintOutcome(last);
  }
  return last.done() && last.waiting_copies() == 0 ? cli::ExitCode::kOk : cli::ExitCode::kPartial;
}

}  // namespace

void AddGcCommand(cli::Program& program) {
  auto options = std::make_shared<GcOptions>();
  CLI::App& command = program.AddCommand(
      "gc",
      "Have what is beyond retention leave now, instead of at the next --gc-interval of the\n"
      "coordinator. A NAR's room comes back --retire-days after its last narinfo left. Exit code "
      "3:\n"
      "some of it waits for workers that are away",
      [options] {
        const auto code = CollectGarbage(*options);
        return code ? *code : Fail(code.error());
      },
      "coordinator gc --dry-run\ncoordinator gc\ncoordinator gc --dry-run --json | jq .due_bytes",
      cli::kLongExits);
  cli::AddFlag(command, "--dry-run", options->dry_run,
               "Only say what would be retired, and how many bytes come back");
  AddClientOptions(command, options->client);
}

}  // namespace hnx::coordinator
