#include "coordinator/cli/worker_text.h"

#include <fmt/format.h>

#include "cli/terminal.h"
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

std::string WorkerText(const pb::WorkerStatus& worker) {
  const char* state = worker.forgotten() ? "forgotten" : worker.alive() ? "alive" : "away";
  std::string text =
      fmt::format("  {:<20} {:<9} {} jobs, {} stored, {} free\n", cli::Printable(worker.name()),
                  state, worker.jobs(), cli::FormatBytes(worker.bytes_stored()),
                  cli::FormatBytes(worker.disk_free_bytes()));
  if (worker.paused()) {
    text += fmt::format("        paused: {}\n", cli::Printable(worker.pause_reason()));
  }
  if (worker.draining()) {
    text += fmt::format("        {}\n", DrainText(worker));
  }
  if (!worker.alive() && !worker.forgotten()) {
    text +=
        fmt::format("        last heard of {}; if its disk is gone, say `coordinator forget {}`\n",
                    FormatTime(worker.last_seen_ms()), worker.id());
  }
  if (worker.disk_full() && worker.alive()) {
    text += "        its disk has no room: it takes no work until there is some\n";
  }
  if (worker.copies() > 0) {
    text +=
        fmt::format("        holds copies of {} shards of others, {} of them whole, {}\n",
                    worker.copies(), worker.copies_whole(), cli::FormatBytes(worker.copy_bytes()));
  }
  if (worker.shards_lost() > 0) {
    text += fmt::format("        {} of its {} shards are lost\n", worker.shards_lost(),
                        worker.shards());
  }
  return text;
}

}  // namespace hnx::coordinator
