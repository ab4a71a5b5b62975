// coordinator follow, unfollow, retention
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "cli/json_text.h"
#include "cli/option.h"
#include "coordinator/cli/channel_text.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"

namespace hnx::coordinator {
namespace {

using std::chrono::milliseconds;

struct FollowOptions {
  ClientOptions client;
  std::vector<std::string> channels;
  std::vector<std::string> match;
  std::vector<std::string> exclude;
  double max_missing = -1;
  int priority = 0;
  milliseconds interval{300'000};
  milliseconds debounce{60'000};
  int keep = -1;
  int keep_days = -1;
};

void Print(const pb::ChannelList& list, bool json) {
  cli::Table table = ChannelTable();
  for (const pb::ChannelStatus& channel : list.channels()) {
    if (json) {
      std::cout << cli::JsonLine(ToJson(channel)) << '\n';
    } else {
      AddChannel(channel, table);
    }
  }
  if (!json) {
    table.Print(std::cout);
  }
}

void AddKeepOptions(CLI::App& command, FollowOptions& options) {
  cli::AddOption(command, "--keep", options.keep,
                 "Keep the newest so many releases; 0: no such rule, negative: as it was");
  cli::AddOption(command, "--keep-days", options.keep_days,
                 "Keep every release that settled within so many days; 0: no such rule, negative: "
                 "as it was. With --keep too, what either keeps is kept; without any, everything");
}

Result<cli::ExitCode> Follow(const FollowOptions& options) {
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  pb::FollowChannelsRequest request;
  request.mutable_channels()->Assign(options.channels.begin(), options.channels.end());
  request.mutable_match()->Assign(options.match.begin(), options.match.end());
  request.mutable_exclude()->Assign(options.exclude.begin(), options.exclude.end());
  request.set_max_missing(options.max_missing);
  request.set_priority(options.priority);
  request.set_interval_ms(static_cast<std::uint64_t>(options.interval.count()));
  request.set_debounce_ms(static_cast<std::uint64_t>(options.debounce.count()));
  request.set_keep_releases(options.keep);
  request.set_keep_days(options.keep_days);
  HNX_ASSIGN_OR_RETURN(const pb::ChannelList list,
                       client.Ask("follow", &pb::Coordinator::Stub::FollowChannels, request));
  Print(list, options.client.json);
  return cli::ExitCode::kOk;
}

Result<cli::ExitCode> Unfollow(const FollowOptions& options) {
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  pb::UnfollowChannelsRequest request;
  request.mutable_channels()->Assign(options.channels.begin(), options.channels.end());
  HNX_ASSIGN_OR_RETURN(const pb::ChannelList list,
                       client.Ask("unfollow", &pb::Coordinator::Stub::UnfollowChannels, request));
  Print(list, options.client.json);
  return cli::ExitCode::kOk;
}

Result<cli::ExitCode> SetRetention(const FollowOptions& options) {
  if (options.keep < 0 && options.keep_days < 0) {
    return InvalidArgument("give --keep N, --keep-days N, or both; 0 takes a rule back");
  }
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  pb::SetRetentionRequest request;
  request.set_channel(options.channels.front());
  request.set_keep_releases(options.keep);
  request.set_keep_days(options.keep_days);
  HNX_ASSIGN_OR_RETURN(
      const pb::ChannelList list,
      client.Ask("set the retention", &pb::Coordinator::Stub::SetRetention, request));
  Print(list, options.client.json);
  return cli::ExitCode::kOk;
}

using Action = Result<cli::ExitCode> (*)(const FollowOptions&);

CLI::App& AddChannelCommand(cli::Program& program, const std::string& name,
                            const std::string& description, Action action,
                            const std::string& examples,
                            const std::shared_ptr<FollowOptions>& options) {
  CLI::App& command = program.AddCommand(
      name, description,
      [options, action] {
        const auto code = action(*options);
        return code ? *code : Fail(code.error());
      },
      examples, cli::kAskingExits);
  AddClientOptions(command, options->client);
  return command;
}

}  // namespace

void AddFollowCommand(cli::Program& program) {
  const auto options = std::make_shared<FollowOptions>();
  CLI::App& command = AddChannelCommand(
      program, "follow",
      "Have what channels point to mirrored whenever they advance; again to change how", Follow,
      "coordinator follow nixos-unstable nixos-25.11 --keep 3\n"
      "coordinator follow nixos-unstable --match '-hello-[0-9]' --interval 10m --keep-days 30\n"
      "coordinator status --json | jq '.channels[] | {name, freshness}'",
      options);
  command.add_option("channels", options->channels, "Channels, e.g. nixos-unstable")
      ->required()
      ->configurable(false);
  cli::AddDuration(command, "--interval", options->interval,
                   "How often to look where the channel points, with some jitter");
  cli::AddDuration(command, "--debounce", options->debounce,
                   "Submit a release once the channel pointed to it for so long");
  AddKeepOptions(command, *options);
  cli::AddOption(command, "--match", options->match,
                 "Take only roots whose name matches this regular expression; again for more");
  cli::AddOption(command, "--exclude", options->exclude,
                 "Leave out roots whose name matches; again for more");
  cli::AddOption(command, "--max-missing", options->max_missing,
                 "Move the channel's `latest` only if at most this share of the paths is left out; "
                 "negative: the coordinator's default");
  cli::AddOption(command, "--priority", options->priority, "Higher is mirrored first");
}

void AddUnfollowCommand(cli::Program& program) {
  const auto options = std::make_shared<FollowOptions>();
  CLI::App& command =
      AddChannelCommand(program, "unfollow",
                        "Stop following channels; what is mirrored of them stays, and so does "
                        "their retention",
                        Unfollow, "coordinator unfollow nixos-25.05", options);
  command.add_option("channels", options->channels, "Channels that are followed")
      ->required()
      ->configurable(false);
}

void AddRetentionCommand(cli::Program& program) {
  const auto options = std::make_shared<FollowOptions>();
  CLI::App& command = AddChannelCommand(
      program, "retention",
      "Say how many releases of a channel or list are kept; `gc --dry-run` shows what that means",
      SetRetention,
      "coordinator retention nixos-unstable --keep 3 --keep-days 30\n"
      "coordinator retention nixos-unstable --keep 0 --keep-days 0   # keep all",
      options);
  command.add_option("channel", options->channels, "The channel or list")
      ->required()
      ->expected(1)
      ->configurable(false);
  AddKeepOptions(command, *options);
}

}  // namespace hnx::coordinator
