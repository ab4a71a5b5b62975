// scrub: what lies on workers' disks is read and checked now, and damage repaired.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>

#include <fmt/format.h>
#include <unistd.h>

#include "base/mutex.h"
#include "cli/json_text.h"
#include "cli/option.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/scrub_text.h"

namespace hnx::coordinator {
namespace {

constexpr std::chrono::milliseconds kPollInterval{500};

struct ScrubOptions {
  ClientOptions client;
  std::string target;
  bool wait = false;
  bool list = false;
};

Result<pb::ScrubResponse> Ask(CoordinatorClient& client, const ScrubOptions& options, bool now) {
  pb::ScrubRequest request;
  request.set_target(options.target);
  request.set_now(now);
  return client.Ask("scrub", &pb::Coordinator::Stub::Scrub, request);
}

// Not over, and under way or about to be.
bool IsAwaited(const pb::ScrubStatus& drive) {
  return drive.waits() && drive.hindrance() == pb::SCRUB_HINDRANCE_UNSPECIFIED;
}

void ShowProgress(const pb::ScrubResponse& response, cli::ProgressDisplay& display) {
  std::uint64_t over = 0;
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  for (const pb::ScrubStatus& drive : response.drives()) {
    over += IsAwaited(drive) ? 0U : 1U;
    done += drive.bytes();
    total += std::max(drive.bytes(), drive.bytes_total());
  }
  display.Update({{"drives", over, static_cast<std::uint64_t>(response.drives_size()),
                   cli::ProgressUnit::kCount, ""},
                  {"read", done, total, cli::ProgressUnit::kBytes, ""}});
}

Result<pb::ScrubResponse> Wait(CoordinatorClient& client, const ScrubOptions& options,
                               pb::ScrubResponse response) {
  cli::ProgressDisplay display(cli::ChooseProgressMode(false, STDERR_FILENO), std::cerr,
                               [] { return cli::TerminalWidth(STDERR_FILENO); });
  Mutex mutex;
  CondVar pause;  // nobody notifies: a wait between calls
  while (std::any_of(response.drives().begin(), response.drives().end(), IsAwaited)) {
    if (!options.client.json) {
      ShowProgress(response, display);
    }
    {
      MutexLock lock(mutex);
      pause.WaitFor(mutex, kPollInterval);
    }
    HNX_ASSIGN_OR_RETURN(response, Ask(client, options, false));
  }
  if (!options.client.json) {
    display.Finish();
  }
  return response;
}

nlohmann::ordered_json ToLine(const pb::ScrubStatus& drive) {
  nlohmann::ordered_json line = ToJson(drive);
  nlohmann::ordered_json& hindrance = line["hindrance"];  // null: none
  if (drive.hindrance() == pb::SCRUB_HINDRANCE_OFF) {
    hindrance = "off";
  } else if (drive.hindrance() == pb::SCRUB_HINDRANCE_SILENT) {
    hindrance = "silent";
  }
  return line;
}

Result<cli::ExitCode> Scrub(const ScrubOptions& options) {
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  HNX_ASSIGN_OR_RETURN(pb::ScrubResponse response, Ask(client, options, !options.list));
  if (options.wait) {
    HNX_ASSIGN_OR_RETURN(response, Wait(client, options, std::move(response)));
  }
  bool partial = false;
  for (const pb::ScrubStatus& drive : response.drives()) {
    partial = partial || drive.given_up() > 0 || drive.waits();
    if (options.client.json) {
      std::cout << cli::JsonLine(ToLine(drive)) << '\n';
    } else {
      std::cout << fmt::format("{} on {}: {}\n", drive.id_z32(),
                               cli::Printable(drive.worker_name()), ScrubText(drive));
    }
  }
  if (response.drives().empty() && !options.client.json) {
    std::cout << "There is nothing to scrub yet.\n";
  }
  return options.wait && partial ? cli::ExitCode::kPartial : cli::ExitCode::kOk;
}

}  // namespace

void AddScrubCommand(cli::Program& program) {
  auto options = std::make_shared<ScrubOptions>();
  CLI::App& command = program.AddCommand(
      "scrub",
      "Have what lies on workers' disks read and checked now, and damage repaired; workers do so\n"
      "by themselves too, see `worker run --scrub-interval`. Exit code 3, with --wait: something\n"
      "could not be repaired, which the coordinator's log and `why` name; or a worker scrubs\n"
      "nothing (--scrub-rate 0), or has not called for a minute, and is not waited for.",
      [options] {
        const auto code = Scrub(*options);
        return code ? *code : Fail(code.error());
      },
      "coordinator scrub\n"
      "coordinator scrub rack2 --wait\n"
      "coordinator scrub --list --json | jq 'select(.given_up > 0)'",
      cli::kLongExits);
  command
      .add_option("target", options->target,
                  "A worker's name or id, or a drive's id or key; without it: everything")
      ->configurable(false);
  cli::AddFlag(command, "--wait", options->wait, "End when all of it has been gone through");
  cli::AddFlag(command, "--list", options->list, "Only tell how the scrubs stand");
  AddClientOptions(command, options->client);
}

}  // namespace hnx::coordinator
