#include <iostream>
#include <memory>

#include <fmt/format.h>

#include "cli/json_text.h"
#include "cli/terminal.h"
#include "cli/units.h"
#include "coordinator/cli/channel_text.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/release_json.h"
#include "coordinator/cli/release_text.h"
#include "coordinator/cli/worker_text.h"

namespace hnx::coordinator {
namespace {

void PrintProgress(const pb::Release& release) {
  const pb::PathCounts& paths = release.paths();
  std::cout << fmt::format("  {:>4}  {:<10} {}{}\n", release.id(),
                           ReleaseStateName(release.state()), ReleaseTitle(release),
                           release.latest() ? " (latest)" : "");
  if (release.priority() != 0) {
    std::cout << fmt::format("        priority {}\n", release.priority());
  }
  std::cout << fmt::format("        {} of {} paths published, {} of {} stored",
                           cli::FormatCount(paths.published()), cli::FormatCount(paths.total()),
                           cli::FormatBytes(release.nars().bytes_stored()),
                           cli::FormatBytes(release.nars().bytes_total()));
  const std::uint64_t left_out = paths.missing() + paths.set_aside() + paths.blocked();
  if (left_out > 0) {
    std::cout << fmt::format(", {} left out", cli::FormatCount(left_out));
  }
  if (paths.left_out() > 0) {
    std::cout << fmt::format(", {} outside of the budget", cli::FormatCount(paths.left_out()));
  }
  std::cout << '\n';
  if (release.paused()) {
    std::cout << "        paused: " << cli::Printable(release.pause_reason()) << '\n';
  }
  if (!release.message().empty()) {
    std::cout << "        " << cli::Printable(release.message()) << '\n';
  }
}

void PrintBudget(const pb::BudgetStatus& budget) {
  if (budget.bytes() == 0) {
    std::cout << fmt::format("Budget: none any more; {} paths that were left out are coming in\n",
                             cli::FormatCount(budget.left_out_paths()));
    return;
  }
  std::cout << fmt::format("Budget: {} of {} for {} paths; {} paths are left out",
                           cli::FormatBytes(budget.kept_bytes()), cli::FormatBytes(budget.bytes()),
                           cli::FormatCount(budget.kept_paths()),
                           cli::FormatCount(budget.left_out_paths()));
  if (budget.waiting_paths() > 0) {
    std::cout << fmt::format(", {} of them until what leaves has given back its room",
                             cli::FormatCount(budget.waiting_paths()));
  }
  std::cout << (budget.choosing() ? "; it is being chosen anew\n" : "\n");
}

std::string Ordinal(std::uint32_t place) {
  return place == 1 ? "first" : fmt::format("as number {}", place);
}

void PrintUpstream(const pb::UpstreamStatus& upstream) {
  std::cout << fmt::format("  {}", cli::Printable(upstream.host()));
  if (upstream.paused()) {
    std::cout << "  paused: " << cli::Printable(upstream.pause_reason());
  }
  if (upstream.held_back_ms() > 0) {
    std::cout << "  held back for "
              << cli::FormatDuration(std::chrono::milliseconds(upstream.held_back_ms()))
              << ": it asked us to slow down";
  }
  if (!upstream.breaker().empty() && upstream.breaker() != "closed") {
    std::cout << fmt::format("  breaker open after {} failures in a row; it is probed",
                             upstream.failures_in_a_row());
  }
  if (upstream.bytes_per_second_max() > 0) {
    std::cout << "  at most " << cli::FormatBytes(upstream.bytes_per_second_max()) << "/s";
  }
  if (upstream.requests_per_second_max() > 0) {
    std::cout << fmt::format("  at most {} requests/s", upstream.requests_per_second_max());
  }
  if (upstream.transfers_max() > 0) {
    std::cout << fmt::format("  at most {} transfers at once", upstream.transfers_max());
  }
  std::cout << '\n';
  for (const pb::UpstreamCache& cache : upstream.caches()) {
    std::cout << fmt::format("      {}  {} NARs stored", cli::Printable(cache.url()),
                             cli::FormatCount(cache.nars_stored()))
              << (cache.preference() == 0 ? ", not asked any more"
                                          : fmt::format(", asked {}", Ordinal(cache.preference())))
              << '\n';
    for (const std::string& key : cache.public_keys()) {
      std::cout << "        signed by " << cli::Printable(key) << '\n';
    }
  }
}

std::string CopiesText(const pb::ShardStatus& shard) {
  return shard.copies() == 0
             ? std::string()
             : fmt::format(", {} of {} copies whole", shard.copies_whole(), shard.copies());
}

void PrintStatus(const pb::Status& status) {
  if (status.index_key_hex().empty()) {
    std::cout << "Mirror: no key yet; start a worker with --role index\n";
  } else {
    std::cout << "Mirror: hyper://" << status.index_key_hex() << '\n';
    std::cout << "        hyper://" << status.index_key_z32() << '\n';
  }
  std::cout << fmt::format("        {} paths published, index length {}\n",
                           cli::FormatCount(status.paths_published()),
                           cli::FormatCount(status.index_length()));
  if (status.index_acknowledged_length() > 0) {
    std::cout << fmt::format("        another holder has the index up to length {}\n",
                             cli::FormatCount(status.index_acknowledged_length()));
  }
  if (status.paused()) {
    std::cout << "Everything is paused: " << cli::Printable(status.pause_reason()) << '\n';
  }
  if (!status.upstreams().empty()) {
    std::cout << "Upstreams:\n";
  }
  for (const pb::UpstreamStatus& upstream : status.upstreams()) {
    PrintUpstream(upstream);
  }
  std::cout << "Releases:" << (status.releases().empty() ? " none; see `coordinator submit`" : "")
            << '\n';
  for (const pb::Release& release : status.releases()) {
    PrintProgress(release);
  }
  if (!status.channels().empty()) {
    std::cout << "Channels:\n";
  }
  for (const pb::ChannelStatus& channel : status.channels()) {
    std::cout << ChannelText(channel);
  }
  if (status.has_budget()) {
    PrintBudget(status.budget());
  }
  std::cout << "Workers:" << (status.workers().empty() ? " none; see `worker run`" : "") << '\n';
  for (const pb::WorkerStatus& worker : status.workers()) {
    std::cout << WorkerText(worker);
  }
  std::cout << "Shards:" << (status.shards().empty() ? " none yet" : "") << '\n';
  for (const pb::ShardStatus& shard : status.shards()) {
    const char* standing = shard.lost() ? ", lost" : shard.sealed() ? ", sealed" : "";
    std::cout << fmt::format("  {} on {}: {} NARs, {}{}{}\n", shard.id_z32(),
                             cli::Printable(shard.worker_name()), cli::FormatCount(shard.nars()),
                             cli::FormatBytes(shard.bytes()), standing, CopiesText(shard));
  }
}

Result<cli::ExitCode> ShowStatus(const ClientOptions& options) {
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options));
  HNX_ASSIGN_OR_RETURN(const pb::Status status, client.GetStatus());
  if (options.json) {
    std::cout << cli::JsonLine(ToJson(status)) << '\n';
  } else {
    PrintStatus(status);
  }
  return cli::ExitCode::kOk;
}

}  // namespace

void AddStatusCommand(cli::Program& program) {
  auto options = std::make_shared<ClientOptions>();
  CLI::App& command = program.AddCommand(
      "status", "Show the mirror's key, its releases, channels, workers and shards",
      [options] {
        const auto code = ShowStatus(*options);
        return code ? *code : Fail(code.error());
      },
      "coordinator status\ncoordinator status --json | jq -r .mirror_key");
  AddClientOptions(command, *options);
}

}  // namespace hnx::coordinator
