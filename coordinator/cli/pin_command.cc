#include <iostream>
#include <memory>

#include <fmt/format.h>

#include "cli/json_text.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/release_json.h"
#include "coordinator/cli/release_text.h"

namespace hnx::coordinator {
namespace {

struct PinOptions {
  ClientOptions client;
  std::string release;
};

Result<cli::ExitCode> Pin(const PinOptions& options, bool pinned) {
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  pb::PinReleaseRequest request;
  request.set_release(options.release);
  request.set_pinned(pinned);
  HNX_ASSIGN_OR_RETURN(const pb::Release release,
                       client.Ask(pinned ? "pin the release" : "unpin the release",
                                  &pb::Coordinator::Stub::PinRelease, request));
  if (options.client.json) {
    std::cout << cli::JsonLine(ToJson(release)) << '\n';
  } else {
    std::cout << fmt::format(
        "Release {} ({}) {}.\n", release.id(), ReleaseTitle(release),
        pinned ? "is pinned: no retention retires it" : "is not pinned any more");
  }
  return cli::ExitCode::kOk;
}

void AddPinCommand(cli::Program& program, bool pinned) {
  auto options = std::make_shared<PinOptions>();
  const std::string name = pinned ? "pin" : "unpin";
  CLI::App& command = program.AddCommand(
      name,
      pinned ? "Keep a release for good, whatever its channel's retention"
             : "Let a pinned release be retired again",
      [options, pinned] {
        const auto code = Pin(*options, pinned);
        return code ? *code : Fail(code.error());
      },
      "coordinator " + name + " 3\ncoordinator " + name +
          " nixos-unstable/nixos-26.11pre1.0123456789ab",
      cli::kAskingExits);
  command
      .add_option("release", options->release, "A release: number, CHANNEL/NAME, NAME, or CHANNEL")
      ->required()
      ->configurable(false);
  AddClientOptions(command, options->client);
}

}  // namespace

void AddPinCommand(cli::Program& program) {
  AddPinCommand(program, true);
}

void AddUnpinCommand(cli::Program& program) {
  AddPinCommand(program, false);
}

}  // namespace hnx::coordinator
