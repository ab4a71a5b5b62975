// pause and resume: a release, an upstream, a worker, or everything.
#include <iostream>
#include <memory>

#include <fmt/format.h>

#include "cli/json_text.h"
#include "cli/option.h"
#include "cli/terminal.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/release_json.h"

namespace hnx::coordinator {
namespace {

struct PauseOptions {
  ClientOptions client;
  std::uint64_t release = 0;
  std::string upstream;
  std::string worker;
  bool everything = false;
  std::string reason;
};

Result<pb::PauseTarget> ToTarget(const PauseOptions& options) {
  const int targets = (options.release > 0 ? 1 : 0) + (options.upstream.empty() ? 0 : 1) +
                      (options.worker.empty() ? 0 : 1) + (options.everything ? 1 : 0);
  if (targets != 1) {
    return InvalidArgument("give one of --release N, --upstream URL, --worker NAME and --all");
  }
  pb::PauseTarget target;
  if (options.release > 0) {
    target.set_release_id(options.release);
  } else if (!options.upstream.empty()) {
    target.set_upstream(options.upstream);
  } else if (!options.worker.empty()) {
    target.set_worker(options.worker);
  } else {
    target.set_everything(true);
  }
  return target;
}

void TellPaused(const PauseOptions& options, const pb::PauseResponse& response, bool paused) {
  if (options.client.json) {
    std::cout << cli::JsonLine({{"what", response.what()},
                                {"paused", paused},
                                {"changed", response.changed()}})
              << '\n';
    return;
  }
  const char* word = paused ? "is paused: leases that run go on, no new ones are made" : "goes on";
  std::cout << fmt::format("{} {}{}.\n", cli::Printable(response.what()), word,
                           response.changed() ? "" : ", as before");
}

Result<cli::ExitCode> RunPause(const PauseOptions& options) {
  pb::PauseRequest request;
  HNX_ASSIGN_OR_RETURN(*request.mutable_target(), ToTarget(options));
  request.set_reason(options.reason);
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  HNX_ASSIGN_OR_RETURN(const pb::PauseResponse response,
                       client.Ask("pause", &pb::Coordinator::Stub::Pause, request));
  TellPaused(options, response, true);
  return cli::ExitCode::kOk;
}

Result<cli::ExitCode> Resume(const PauseOptions& options) {
  pb::ResumeRequest request;
  HNX_ASSIGN_OR_RETURN(*request.mutable_target(), ToTarget(options));
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  HNX_ASSIGN_OR_RETURN(const pb::PauseResponse response,
                       client.Ask("resume", &pb::Coordinator::Stub::Resume, request));
  TellPaused(options, response, false);
  return cli::ExitCode::kOk;
}

void AddTargetOptions(CLI::App& command, PauseOptions& options) {
  cli::AddOption(command, "--release", options.release, "A release's number");
  cli::AddOption(command, "--upstream", options.upstream,
                 "A binary cache, by its URL or host; all upstreams on that host are meant");
  cli::AddOption(command, "--worker", options.worker, "A worker, by its name or id");
  cli::AddFlag(command, "--all", options.everything, "Everything");
}

}  // namespace

void AddPauseCommands(cli::Program& program) {
  auto options = std::make_shared<PauseOptions>();
  CLI::App& pause = program.AddCommand(
      "pause", "Lease nothing new of a release, from an upstream, to a worker, or at all",
      [options] {
        const auto code = RunPause(*options);
        return code ? *code : Fail(code.error());
      },
      "coordinator pause --release 3 --reason 'disk is being enlarged'\n"
      "coordinator pause --upstream https://cache.nixos.org\n"
      "coordinator pause --worker rack2 --json\n"
      "coordinator pause --all",
      cli::kAskingExits);
  AddTargetOptions(pause, *options);
  cli::AddOption(pause, "--reason", options->reason, "Why; shown by `coordinator status`");
  AddClientOptions(pause, options->client);

  auto resume_options = std::make_shared<PauseOptions>();
  CLI::App& resume = program.AddCommand(
      "resume", "Let go on what was paused",
      [resume_options] {
        const auto code = Resume(*resume_options);
        return code ? *code : Fail(code.error());
      },
      "coordinator resume --release 3\ncoordinator resume --all --json", cli::kAskingExits);
  AddTargetOptions(resume, *resume_options);
  AddClientOptions(resume, resume_options->client);
}

}  // namespace hnx::coordinator
