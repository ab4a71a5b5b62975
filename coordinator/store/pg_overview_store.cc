#include "coordinator/store/pg_overview_store.h"

#include <utility>

#include <fmt/format.h>

#include "coordinator/domain/work_control.h"
#include "coordinator/store/pg_migrations.h"
#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {
namespace {

// Of each lane, that are looked at for the oldest.
constexpr std::int64_t kNarsLookedAt = 100;
constexpr std::int64_t kEventsLookedAt = 2'000;

MirrorOverview ReadMirror(const pqxx::row& row) {
  return {.now_ms = row["now_ms"].as<std::int64_t>(),
          .index_key = ReadBytes(row["index_key"]),
          .index_length = CountOf(row, "db_length"),
          .index_acknowledged_length = CountOf(row, "acknowledged_db_length"),
          .published_batch = CountOf(row, "published_batch"),
          .batches_pending = CountOf(row, "batches_pending"),
          .batch_pending_since_ms = TimeOf(row, "batch_planned_at_ms"),
          .paused = row["paused"].as<bool>(),
          .pause_reason = TextOf(row, "pause_reason"),
          .has_leader = row["has_leader"].as<bool>(),
          .schema_lacks = FirstPendingMigration(ReadTextArray(row["schema_versions"]))};
}

QueueOverview ReadQueue(PgTransaction& transaction) {
  QueueOverview queue;
  for (const char* state : {"wanted", "idle", "leased", "stored", "missing", "set_aside"}) {
    queue.nars[state] = 0;
  }
  for (const char* state : {"discovered", "known", "stored", "published", "missing", "set_aside"}) {
    queue.paths[state] = 0;
  }
  for (const pqxx::row& row : transaction.Exec(sql::kOverviewStates)) {
    auto& counts = row["is_nar"].as<bool>() ? queue.nars : queue.paths;
    counts[TextOf(row, "state")] = CountOf(row, "amount");
  }
  const pqxx::row row = transaction.Row(sql::kOverviewQueue, kNarsLookedAt, kOverviewReadyMax);
  queue.leases = CountOf(row, "leases");
  queue.oldest_lease_ms = TimeOf(row, "oldest_lease_at_ms");
  queue.oldest_wanted_ms = TimeOf(row, "oldest_wanted_at_ms");
  queue.ready = CountOf(row, "ready");
  queue.oldest_ready_ms = TimeOf(row, "oldest_ready_at_ms");
  const pqxx::row losses = transaction.Row(sql::kOverviewLosses, kOverviewLostMax);
  queue.lost_coming = CountOf(losses, "coming");
  queue.lost_gone = CountOf(losses, "gone");
  return queue;
}

ChannelOverview ReadChannel(const pqxx::row& row) {
  return {.name = TextOf(row, "name"),
          .followed = row["followed"].as<bool>(),
          .newest_release = row["newest_id"].is_null() ? 0 : row["newest_id"].as<std::int64_t>(),
          .seen = TextOf(row, "seen"),
          .seen_at_ms = TimeOf(row, "seen_at_ms"),
          .late_since_ms = TimeOf(row, "late_since_ms"),
          .polled_at_ms = TimeOf(row, "polled_at_ms"),
          .error = TextOf(row, "error"),
          .latest = TextOf(row, "latest"),
          .latest_settled_at_ms = TimeOf(row, "latest_settled_at_ms")};
}

ReleaseOverview ReadRelease(const pqxx::row& row) {
  ReleaseOverview release;
  release.id = row["id"].as<std::int64_t>();
  release.channel = TextOf(row, "channel");
  release.name = TextOf(row, "name");
  release.state = TextOf(row, "state");
  release.message = TextOf(row, "message");
  release.latest = row["is_latest"].as<bool>();
  release.plan_only = row["plan_only"].as<bool>();
  release.paused = row["paused"].as<bool>();
  release.pause_reason = TextOf(row, "pause_reason");
  release.submitted_at_ms = row["submitted_at_ms"].as<std::int64_t>();
  release.settled_at_ms = TimeOf(row, "settled_at_ms");
  release.paths = CountOf(row, "total");
  release.paths_published = CountOf(row, "published");
  release.paths_missing = CountOf(row, "missing");
  release.paths_set_aside = CountOf(row, "set_aside");
  release.paths_blocked = CountOf(row, "blocked");
  release.paths_left_out = CountOf(row, "left_out");
  release.narinfos_read = CountOf(row, "narinfos");
  release.nars = CountOf(row, "nars");
  release.nars_stored = CountOf(row, "nars_stored");
  release.bytes = CountOf(row, "bytes");
  release.bytes_stored = CountOf(row, "bytes_stored");
  return release;
}

WorkerOverview ReadWorker(const pqxx::row& row) {
  return {.name = TextOf(row, "name"),
          .roles = ReadTextArray(row["roles"]),
          .alive = row["alive"].as<bool>(),
          .last_seen_ms = row["last_seen_ms"].as<std::int64_t>(),
          .disk_free_bytes = CountOf(row, "disk_free_bytes"),
          .disk_full = row["disk_full"].as<bool>(),
          .jobs = CountOf(row, "jobs"),
          .paused = row["paused"].as<bool>(),
          .pause_reason = TextOf(row, "pause_reason"),
          .draining = row["draining"].as<bool>(),
          .version = TextOf(row, "version"),
          .shards = CountOf(row, "shards"),
          .shards_lost = CountOf(row, "shards_lost"),
          .shard_entries = CountOf(row, "shard_entries"),
          .shard_bytes = CountOf(row, "shard_bytes"),
          .copies = CountOf(row, "copies"),
          .copies_whole = CountOf(row, "copies_whole"),
          .copy_bytes = CountOf(row, "copy_bytes"),
          .scrubbed_at_ms = TimeOf(row, "scrubbed_at_ms"),
          .scrub_damaged = CountOf(row, "scrub_damaged"),
          .scrub_given_up = CountOf(row, "scrub_given_up")};
}

HostOverview ReadHost(const pqxx::row& row) {
  return {.host = TextOf(row, "host"),
          .paused = row["paused"].as<bool>(),
          .pause_reason = TextOf(row, "pause_reason"),
          .held_back_until_ms = TimeOf(row, "held_back_until_ms"),
          .breaker_open = TextOf(row, "breaker") == "open",
          .failures_in_a_row = CountOf(row, "failures_in_a_row")};
}

FailureView ReadFailure(const pqxx::row& row) {
  constexpr const char* kStore = "/nix/store/";
  return {.store_path = kStore + TextOf(row, "hash") + "-" + TextOf(row, "name"),
          .state = TextOf(row, "state"),
          .reason = TextOf(row, "reason"),
          .message = TextOf(row, "message"),
          .blocked_by = row["blocked_by"].is_null() ? "" : kStore + TextOf(row, "blocked_by"),
          .since_ms = row["since_ms"].as<std::int64_t>(),
          .attempts = row["attempts"].as<std::uint32_t>(),
          .accepted = TextOf(row, "accepted")};
}

}  // namespace

Result<Overview> PgOverviewStore::Read() {
  return RunTransaction(
      pool_, "look at the mirror's state", [](PgTransaction& transaction) -> Result<Overview> {
        Overview all;
        all.mirror = ReadMirror(transaction.Row(sql::kOverviewMirror));
        all.queue = ReadQueue(transaction);
        for (const pqxx::row& row : transaction.Exec(sql::kOverviewReleaseStates)) {
          all.releases_by_state[TextOf(row, "state")] = CountOf(row, "amount");
        }
        PgArray newest;
        for (const pqxx::row& row :
             transaction.Exec(sql::kOverviewChannels, kOverviewChannelsMax)) {
          all.channels.push_back(ReadChannel(row));
          newest.Add(all.channels.back().newest_release);
        }
        for (const pqxx::row& row :
             transaction.Exec(sql::kOverviewReleases, newest.Literal(), kOverviewReleasesMax)) {
          all.releases.push_back(ReadRelease(row));
        }
        for (const pqxx::row& row :
             transaction.Exec(sql::kOverviewWorkers, kWorkerSilenceMs, kOverviewWorkersMax)) {
          all.workers.push_back(ReadWorker(row));
        }
        for (const pqxx::row& row : transaction.Exec(sql::kOverviewHosts, kOverviewHostsMax)) {
          all.hosts.push_back(ReadHost(row));
        }
        for (const pqxx::row& row :
             transaction.Exec(sql::kOverviewEvents, kEventsLookedAt, kOverviewEventsMax)) {
          all.events.push_back({.id = row["id"].as<std::int64_t>(),
                                .at_ms = row["at_ms"].as<std::int64_t>(),
                                .what = TextOf(row, "what"),
                                .path = TextOf(row, "path")});
        }
        return all;
      });
}

Result<void> PgOverviewStore::FoldStates() {
  return RunTransaction(pool_, "fold counts of states",
                        [&](PgTransaction& transaction) -> Result<void> {
                          HNX_TRY(leader_.Lock(transaction));
                          transaction.Exec(sql::kFoldStates);
                          return {};
                        });
}

Result<FailuresPage> PgOverviewStore::Failures(std::int64_t release, const std::string& after,
                                               const std::string& prefix,
                                               std::uint32_t failures_max) {
  return RunTransaction(
      pool_, "list failures", [&](PgTransaction& transaction) -> Result<FailuresPage> {
        if (!transaction.Row(sql::kReleaseExists, release)[0].as<bool>()) {
          return NotFound(fmt::format("there is no release {}", release));
        }
        FailuresPage page;
        std::string last;
        for (const pqxx::row& row :
             transaction.Exec(sql::kFailuresOfRelease, release, after, prefix, failures_max + 1)) {
          if (page.failures.size() == failures_max) {
            page.next = last;
            break;
          }
          page.failures.push_back(ReadFailure(row));
          last = TextOf(row, "hash");
        }
        return page;
      });
}

}  // namespace hnx::coordinator
