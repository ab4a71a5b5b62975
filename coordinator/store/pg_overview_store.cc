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

std::string Text(const pqxx::row& row, const char* column) {
  return row[column].is_null() ? std::string() : row[column].as<std::string>();
}

std::uint64_t Count(const pqxx::row& row, const char* column) {
  return row[column].is_null() ? 0 : row[column].as<std::uint64_t>();
}

TimeMs Time(const pqxx::row& row, const char* column) {
  return row[column].is_null() ? TimeMs() : TimeMs(row[column].as<std::int64_t>());
}

MirrorOverview ReadMirror(const pqxx::row& row) {
  return {.now_ms = row["now_ms"].as<std::int64_t>(),
          .index_key = ReadBytes(row["index_key"]),
          .index_length = Count(row, "db_length"),
          .index_acknowledged_length = Count(row, "acknowledged_db_length"),
          .published_batch = Count(row, "published_batch"),
          .batches_pending = Count(row, "batches_pending"),
          .batch_pending_since_ms = Time(row, "batch_planned_at_ms"),
          .paused = row["paused"].as<bool>(),
          .pause_reason = Text(row, "pause_reason"),
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
    counts[Text(row, "state")] = Count(row, "amount");
  }
  const pqxx::row row = transaction.Row(sql::kOverviewQueue, kNarsLookedAt, kOverviewReadyMax);
  queue.leases = Count(row, "leases");
  queue.oldest_lease_ms = Time(row, "oldest_lease_at_ms");
  queue.oldest_wanted_ms = Time(row, "oldest_wanted_at_ms");
  queue.ready = Count(row, "ready");
  queue.oldest_ready_ms = Time(row, "oldest_ready_at_ms");
  const pqxx::row losses = transaction.Row(sql::kOverviewLosses, kOverviewLostMax);
  queue.lost_coming = Count(losses, "coming");
  queue.lost_gone = Count(losses, "gone");
  return queue;
}

ChannelOverview ReadChannel(const pqxx::row& row) {
  return {.name = Text(row, "name"),
          .followed = row["followed"].as<bool>(),
          .newest_release = row["newest_id"].is_null() ? 0 : row["newest_id"].as<std::int64_t>(),
          .seen = Text(row, "seen"),
          .seen_at_ms = Time(row, "seen_at_ms"),
          .late_since_ms = Time(row, "late_since_ms"),
          .polled_at_ms = Time(row, "polled_at_ms"),
          .error = Text(row, "error"),
          .latest = Text(row, "latest"),
          .latest_settled_at_ms = Time(row, "latest_settled_at_ms")};
}

ReleaseOverview ReadRelease(const pqxx::row& row) {
  ReleaseOverview release;
  release.id = row["id"].as<std::int64_t>();
  release.channel = Text(row, "channel");
  release.name = Text(row, "name");
  release.state = Text(row, "state");
  release.message = Text(row, "message");
  release.latest = row["is_latest"].as<bool>();
  release.plan_only = row["plan_only"].as<bool>();
  release.paused = row["paused"].as<bool>();
  release.pause_reason = Text(row, "pause_reason");
  release.submitted_at_ms = row["submitted_at_ms"].as<std::int64_t>();
  release.settled_at_ms = Time(row, "settled_at_ms");
  release.paths = Count(row, "total");
  release.paths_published = Count(row, "published");
  release.paths_missing = Count(row, "missing");
  release.paths_set_aside = Count(row, "set_aside");
  release.paths_blocked = Count(row, "blocked");
  release.paths_left_out = Count(row, "left_out");
  release.narinfos_read = Count(row, "narinfos");
  release.nars = Count(row, "nars");
  release.nars_stored = Count(row, "nars_stored");
  release.bytes = Count(row, "bytes");
  release.bytes_stored = Count(row, "bytes_stored");
  return release;
}

WorkerOverview ReadWorker(const pqxx::row& row) {
  return {.name = Text(row, "name"),
          .roles = ReadTextArray(row["roles"]),
          .alive = row["alive"].as<bool>(),
          .last_seen_ms = row["last_seen_ms"].as<std::int64_t>(),
          .disk_free_bytes = Count(row, "disk_free_bytes"),
          .disk_full = row["disk_full"].as<bool>(),
          .jobs = Count(row, "jobs"),
          .paused = row["paused"].as<bool>(),
          .pause_reason = Text(row, "pause_reason"),
          .draining = row["draining"].as<bool>(),
          .version = Text(row, "version"),
          .shards = Count(row, "shards"),
          .shards_lost = Count(row, "shards_lost"),
          .shard_entries = Count(row, "shard_entries"),
          .shard_bytes = Count(row, "shard_bytes"),
          .copies = Count(row, "copies"),
          .copies_whole = Count(row, "copies_whole"),
          .copy_bytes = Count(row, "copy_bytes"),
          .scrubbed_at_ms = Time(row, "scrubbed_at_ms"),
          .scrub_damaged = Count(row, "scrub_damaged"),
          .scrub_given_up = Count(row, "scrub_given_up")};
}

HostOverview ReadHost(const pqxx::row& row) {
  return {.host = Text(row, "host"),
          .paused = row["paused"].as<bool>(),
          .pause_reason = Text(row, "pause_reason"),
          .held_back_until_ms = Time(row, "held_back_until_ms"),
          .breaker_open = Text(row, "breaker") == "open",
          .failures_in_a_row = Count(row, "failures_in_a_row")};
}

FailureView ReadFailure(const pqxx::row& row) {
  constexpr const char* kStore = "/nix/store/";
  return {.store_path = kStore + Text(row, "hash") + "-" + Text(row, "name"),
          .state = Text(row, "state"),
          .reason = Text(row, "reason"),
          .message = Text(row, "message"),
          .blocked_by = row["blocked_by"].is_null() ? "" : kStore + Text(row, "blocked_by"),
          .since_ms = row["since_ms"].as<std::int64_t>(),
          .attempts = row["attempts"].as<std::uint32_t>(),
          .accepted = Text(row, "accepted")};
}

}  // namespace

Result<Overview> PgOverviewStore::Read() {
  return RunTransaction(
      pool_, "look at the mirror's state", [](PgTransaction& transaction) -> Result<Overview> {
        Overview all;
        all.mirror = ReadMirror(transaction.Row(sql::kOverviewMirror));
        all.queue = ReadQueue(transaction);
        for (const pqxx::row& row : transaction.Exec(sql::kOverviewReleaseStates)) {
          all.releases_by_state[Text(row, "state")] = Count(row, "amount");
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
                                .what = Text(row, "what"),
                                .path = Text(row, "path")});
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
          last = Text(row, "hash");
        }
        return page;
      });
}

}  // namespace hnx::coordinator
