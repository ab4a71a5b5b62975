#include "coordinator/cli/worker_text.h"

#include <utility>
#include <vector>

#include <fmt/format.h>

#include "cli/units.h"
#include "coordinator/cli/release_text.h"

namespace hnx::coordinator {

namespace pb = ::hypercore_nixos::v1;

std::string DrainText(const pb::WorkerStatus& worker) {
  if (worker.removable()) {
    return "drained: it may be removed";
  }
  std::string text = "draining";
  if (worker.jobs() > 0) {
    text += fmt::format(", {} leases left", worker.jobs());
  }
  if (worker.lone_index()) {
    text += ", do not remove it: it writes the index drive";
  }
  if (!worker.lone_shards().empty()) {
    text += fmt::format(", do not remove it: it holds the only copy of what lies in {} shard{}:",
                        worker.lone_shards_size(), worker.lone_shards_size() == 1 ? "" : "s");
    for (const std::string& shard : worker.lone_shards()) {
      text += " " + shard;
    }
    text +=
        worker.lone_unassigned() == 0
            ? "; they are being copied to other workers"
            : fmt::format(
                  "; for {} of them there is no other worker yet that could hold a copy (one "
                  "with --listen-peers, room, and another failure domain than the other holders)",
                  worker.lone_unassigned());
  }
  return text;
}

cli::Table WorkerTable() {
  using cli::Align;
  return cli::Table({{"WORKER"},
                     {"STATE"},
                     {"JOBS", Align::kRight},
                     {"STORED", Align::kRight},
                     {"FREE", Align::kRight},
                     {"SHARDS", Align::kRight},
                     {"COPIES", Align::kRight},
                     {"VERSION"}});
}

void AddWorker(const pb::WorkerStatus& worker, cli::Table& table) {
  const char* state = worker.forgotten() ? "forgotten" : worker.alive() ? "alive" : "away";
  std::vector<std::string> remarks;
  if (worker.paused()) {
    remarks.push_back("paused: " + worker.pause_reason());
  }
  if (worker.draining()) {
    remarks.push_back(DrainText(worker));
  }
  if (!worker.alive() && !worker.forgotten()) {
    remarks.push_back(
        fmt::format("last heard of {}; if its disk is gone, say `coordinator forget {}`",
                    FormatTime(worker.last_seen_ms()), worker.id()));
  }
  if (worker.disk_full() && worker.alive()) {
    remarks.emplace_back("its disk has no room: it takes no work until there is some");
  }
  if (worker.copies() > 0) {
    remarks.push_back(fmt::format("holds copies of {} shards of others, {} of them whole, {}",
                                  worker.copies(), worker.copies_whole(),
                                  cli::FormatBytes(worker.copy_bytes())));
  }
  if (worker.shards_lost() > 0) {
    remarks.push_back(
        fmt::format("{} of its {} shards are lost", worker.shards_lost(), worker.shards()));
  }
  table.Add({worker.name(), state, std::to_string(worker.jobs()),
             cli::FormatBytes(worker.bytes_stored()), cli::FormatBytes(worker.disk_free_bytes()),
             std::to_string(worker.shards()), std::to_string(worker.copies()), worker.version()},
            std::move(remarks));
}

}  // namespace hnx::coordinator
