#include <iostream>
#include <memory>

#include "cli/option.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/release_text.h"
#include "coordinator/cli/release_watch.h"

namespace hnx::coordinator {
namespace {

struct WatchOptions {
  ClientOptions client;
  std::uint64_t release = 0;
};

Result<cli::ExitCode> Watch(const WatchOptions& options) {
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  if (options.release == 0) {
    auto code = WatchWork(client, options.client);
    if (code || code.error().code != ErrorCode::kNotFound) {
      return code;
    }
  }
  HNX_ASSIGN_OR_RETURN(const pb::Release release,
                       WatchRelease(client, options.client, options.release, false));
  if (!options.client.json) {
    std::cout << Summary(release) << '\n';
  }
  return release.state() == pb::RELEASE_STATE_PLANNED ? cli::ExitCode::kOk : ExitCodeOf(release);
}

}  // namespace

void AddWatchCommand(cli::Program& program) {
  auto options = std::make_shared<WatchOptions>();
  CLI::App& command = program.AddCommand(
      "watch",
      "Follow everything that is at work until it is settled: paths, bytes, rate, time left and "
      "what "
      "failed of each release, and each worker. When nothing is, tell how the newest ended",
      [options] {
        const auto code = Watch(*options);
        return code ? *code : Fail(code.error());
      },
      "coordinator watch\ncoordinator watch --release 3 --json", cli::kLongExits);
  cli::AddOption(command, "--release", options->release,
                 "Only this one, by its number; 0: all that are at work");
  AddClientOptions(command, options->client);
}

}  // namespace hnx::coordinator
