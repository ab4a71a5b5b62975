// failures retry and failures ignore.
#include <iostream>
#include <memory>

#include <fmt/format.h>

#include "cli/json_text.h"
#include "cli/option.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/failures_commands.h"
#include "coordinator/cli/release_json.h"

namespace hnx::coordinator {
namespace {

struct ChangeOptions {
  ClientOptions client;
  std::uint64_t release = 0;
  std::string reason;
  std::vector<std::string> paths;
  bool all = false;
  std::string note;
  bool undo = false;
};

Result<cli::ExitCode> Tell(const ChangeOptions& options, const pb::FailuresChanged& changed,
                           const char* what) {
  if (options.client.json) {
    std::cout << cli::JsonLine({{"release_id", changed.release_id()}, {"paths", changed.paths()}})
              << '\n';
  } else {
    std::cout << fmt::format("{} path{} of release {} {}.\n", changed.paths(),
                             changed.paths() == 1 ? "" : "s", changed.release_id(), what);
  }
  return cli::ExitCode::kOk;
}

Result<cli::ExitCode> Retry(const ChangeOptions& options) {
  const int ways =
      (options.all ? 1 : 0) + (options.reason.empty() ? 0 : 1) + (options.paths.empty() ? 0 : 1);
  if (ways != 1) {
    return InvalidArgument("give one of --all, --reason WORD and --path PATH");
  }
  pb::RetryRequest request;
  request.set_release_id(options.release);
  request.set_reason(options.reason);
  request.mutable_store_paths()->Assign(options.paths.begin(), options.paths.end());
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  HNX_ASSIGN_OR_RETURN(const pb::FailuresChanged changed,
                       client.Ask("retry failures", &pb::Coordinator::Stub::Retry, request));
  return Tell(options, changed, "will be tried again");
}

Result<cli::ExitCode> Ignore(const ChangeOptions& options) {
  if (options.reason.empty() == options.paths.empty()) {
    return InvalidArgument("give either --reason WORD or --path PATH");
  }
  if (options.note.empty() != options.undo) {
    return InvalidArgument("say why with --note TEXT (the manifest tells it), or --undo");
  }
  pb::IgnoreRequest request;
  request.set_release_id(options.release);
  request.set_reason(options.reason);
  request.mutable_store_paths()->Assign(options.paths.begin(), options.paths.end());
  request.set_note(options.note);
  request.set_undo(options.undo);
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  HNX_ASSIGN_OR_RETURN(const pb::FailuresChanged changed,
                       client.Ask("ignore failures", &pb::Coordinator::Stub::Ignore, request));
  return Tell(options, changed,
              options.undo ? "count as failures again" : "are accepted as they are");
}

void AddChoice(CLI::App& command, ChangeOptions& options) {
  cli::AddOption(command, "--release", options.release, "The release's number; 0: the newest");
  cli::AddOption(command, "--reason", options.reason,
                 "All failures with this reason word, as `failures list` shows it: http-404");
  cli::AddOption(command, "--path", options.paths,
                 "A failed path, its base name or its hash; again for more");
}

}  // namespace

void AddFailuresRetry(cli::Program& program, CLI::App& failures) {
  auto options = std::make_shared<ChangeOptions>();
  CLI::App& command = program.AddCommand(
      failures, "retry", "Look for failed paths upstream again",
      [options] {
        const auto code = Retry(*options);
        return code ? *code : Fail(code.error());
      },
      "coordinator failures retry --all\n"
      "coordinator failures retry --release 3 --reason http-404\n"
      "coordinator failures retry --path /nix/store/...-hello-2.12 --json",
      cli::kAskingExits);
  AddChoice(command, *options);
  cli::AddFlag(command, "--all", options->all, "All failures but the accepted ones");
  AddClientOptions(command, options->client);
}

void AddFailuresIgnore(cli::Program& program, CLI::App& failures) {
  auto options = std::make_shared<ChangeOptions>();
  CLI::App& command = program.AddCommand(
      failures, "ignore", "Accept failed paths as they are; the manifest says so and why",
      [options] {
        const auto code = Ignore(*options);
        return code ? *code : Fail(code.error());
      },
      "coordinator failures ignore --path /nix/store/...-hello-2.12 --note 'gone for good'\n"
      "coordinator failures ignore --reason http-404 --note 'deleted upstream' --json\n"
      "coordinator failures ignore --path /nix/store/...-hello-2.12 --undo",
      cli::kAskingExits);
  AddChoice(command, *options);
  cli::AddOption(command, "--note", options->note, "Why; goes into the manifest");
  cli::AddFlag(command, "--undo", options->undo, "Accept them no longer");
  AddClientOptions(command, options->client);
}

}  // namespace hnx::coordinator
