#include <iostream>
#include <memory>

#include <fmt/format.h>

#include "cli/json_text.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "cli/units.h"
#include "coordinator/cli/channel_text.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/release_json.h"
#include "coordinator/cli/release_table.h"
#include "coordinator/cli/worker_text.h"

namespace hnx::coordinator {
namespace {

// Beside those at work.
constexpr int kReleasesShownMax = 5;

bool IsAtWork(const pb::Release& release) {
  return release.state() == pb::RELEASE_STATE_RESOLVING ||
         release.state() == pb::RELEASE_STATE_WALKING ||
         release.state() == pb::RELEASE_STATE_MIRRORING;
}

void PrintReleases(const pb::Status& status) {
  cli::Table table = ReleaseTable();
  int others = 0;
  for (const pb::Release& release : status.releases()) {
    if (IsAtWork(release) || ++others <= kReleasesShownMax) {
      AddRelease(release, table);
    }
  }
  std::cout << '\n';
  table.Finish(std::cout, "Releases: none; see `coordinator submit`");
  if (others > kReleasesShownMax) {
    std::cout << "    and more: coordinator releases\n";
  }
}

void PrintChannels(const pb::Status& status) {
  if (status.channels().empty()) {
    return;
  }
  std::cout << '\n';
  cli::Table table = ChannelTable();
  for (const pb::ChannelStatus& channel : status.channels()) {
    AddChannel(channel, table);
  }
  table.Print(std::cout);
}

void PrintWorkers(const pb::Status& status) {
  cli::Table table = WorkerTable();
  for (const pb::WorkerStatus& worker : status.workers()) {
    AddWorker(worker, table);
  }
  std::cout << '\n';
  table.Finish(std::cout, "Workers: none; see `worker run`");
}

void PrintShards(const pb::Status& status) {
  std::uint64_t nars = 0;
  std::uint64_t bytes = 0;
  int lost = 0;
  std::uint64_t copies = 0;
  std::uint64_t whole = 0;
  std::uint64_t given_up = 0;
  for (const pb::ShardStatus& shard : status.shards()) {
    nars += shard.nars();
    bytes += shard.bytes();
    lost += shard.lost() ? 1 : 0;
    copies += shard.copies();
    whole += shard.copies_whole();
    given_up += shard.scrub().given_up();
  }
  std::cout << fmt::format("\nShards: {}, {} in {} NARs", status.shards_size(),
                           cli::FormatBytes(bytes), cli::FormatCount(nars));
  if (copies > 0) {
    std::cout << fmt::format("; {} of {} copies whole", whole, copies);
  }
  if (given_up > 0) {
    std::cout << fmt::format("; {} damages beyond repair, see `coordinator scrub --list`",
                             cli::FormatCount(given_up));
  }
  std::cout << (lost > 0 ? fmt::format("; {} lost", lost) : "") << ". See `coordinator shards`.\n";
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
    std::cout << "\nUpstreams:\n";
  }
  for (const pb::UpstreamStatus& upstream : status.upstreams()) {
    PrintUpstream(upstream);
  }
  PrintReleases(status);
  PrintChannels(status);
  if (status.has_budget()) {
    std::cout << '\n';
    PrintBudget(status.budget());
  }
  PrintWorkers(status);
  PrintShards(status);
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
      "status",
      "Show the mirror on one screen: key, upstreams, releases, channels, workers and shards",
      [options] {
        const auto code = ShowStatus(*options);
        return code ? *code : Fail(code.error());
      },
      "coordinator status\ncoordinator status --json | jq -r .mirror_key", cli::kAskingExits);
  AddClientOptions(command, *options);
}

}  // namespace hnx::coordinator
