#include "coordinator/store/pg_release_store.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "coordinator/domain/work_control.h"
#include "coordinator/store/pg_audit.h"
#include "coordinator/store/pg_path_facts.h"
#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/pg_walk_store.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {
namespace {

constexpr std::int64_t kStatusReleasesMax = 20;
constexpr std::int64_t kStatusWorkersMax = 1'000;
constexpr std::int64_t kStatusShardsMax = 10'000;
constexpr std::int64_t kStatusHostsMax = 100;
constexpr std::int64_t kLoneShardsMax = 100;
constexpr std::int64_t kFailuresPage = 1'000;

ReleaseView ReadReleaseView(const pqxx::row& row) {
  ReleaseView view{.id = row["id"].as<std::int64_t>(),
                   .channel = TextOf(row, "channel"),
                   .name = TextOf(row, "name"),
                   .revision = TextOf(row, "revision"),
                   .state = TextOf(row, "state"),
                   .message = TextOf(row, "message"),
                   .latest = row["is_latest"].as<bool>(),
                   .pinned = row["pinned"].as<bool>(),
                   .submitted_at_ms = row["submitted_at_ms"].as<std::int64_t>(),
                   .settled_at_ms = row["settled_at_ms"].as<std::int64_t>(),
                   .paths_total = CountOf(row, "total"),
                   .paths_published = CountOf(row, "published"),
                   .paths_missing = CountOf(row, "missing"),
                   .paths_set_aside = CountOf(row, "set_aside"),
                   .paths_blocked = CountOf(row, "blocked"),
                   .paths_left_out = CountOf(row, "left_out"),
                   .narinfos_read = CountOf(row, "narinfos"),
                   .nars_total = CountOf(row, "nars"),
                   .nars_stored = CountOf(row, "nars_stored"),
                   .bytes_total = CountOf(row, "bytes"),
                   .bytes_stored = CountOf(row, "bytes_stored"),
                   .bytes_reused = CountOf(row, "bytes_reused"),
                   .file_hash_drift = CountOf(row, "drift"),
                   .files = CountOf(row, "files"),
                   .files_published = CountOf(row, "files_published"),
                   .priority = row["priority"].as<int>(),
                   .paused = row["paused"].as<bool>(),
                   .pause_reason = TextOf(row, "pause_reason"),
                   .plan = std::nullopt};
  if (!row["plan_paths"].is_null()) {
    view.plan = PlanView{.paths = CountOf(row, "plan_paths"),
                         .nars_to_fetch = CountOf(row, "plan_nars_to_fetch"),
                         .bytes_to_fetch = CountOf(row, "plan_bytes_to_fetch"),
                         .nar_bytes = CountOf(row, "plan_nar_bytes"),
                         .disk_free_bytes = CountOf(row, "plan_disk_free_bytes"),
                         .disk_needed_bytes = CountOf(row, "plan_disk_needed_bytes"),
                         .seconds_expected = row["plan_seconds"].as<double>(),
                         .missing_upstream = CountOf(row, "plan_missing"),
                         .fits = row["plan_fits"].as<bool>()};
  }
  return view;
}

WorkerView ReadWorkerView(PgTransaction& transaction, const pqxx::row& row) {
  WorkerView view{.id = TextOf(row, "id"),
                  .name = TextOf(row, "name"),
                  .roles = ReadTextArray(row["roles"]),
                  .alive = row["alive"].as<bool>(),
                  .last_seen_ms = row["last_seen_ms"].as<std::int64_t>(),
                  .disk_free_bytes = CountOf(row, "disk_free_bytes"),
                  .jobs = row["jobs"].as<std::uint32_t>(),
                  .bytes_stored = CountOf(row, "bytes_stored"),
                  .paused = row["paused"].as<bool>(),
                  .pause_reason = TextOf(row, "pause_reason"),
                  .draining = row["draining"].as<bool>(),
                  .forgotten = row["forgotten"].as<bool>(),
                  .disk_full = row["disk_full"].as<bool>(),
                  .shards = row["shards"].as<std::uint32_t>(),
                  .shards_lost = row["lost"].as<std::uint32_t>(),
                  .version = TextOf(row, "version"),
                  .copies = row["copies"].as<std::uint32_t>(),
                  .copies_whole = row["copies_whole"].as<std::uint32_t>(),
                  .copy_bytes = CountOf(row, "copy_bytes"),
                  .failure_domain = TextOf(row, "failure_domain"),
                  .peer_address = TextOf(row, "peer_address")};
  if (view.draining) {
    for (const pqxx::row& shard : transaction.Exec(sql::kLoneShards, view.id, kLoneShardsMax)) {
      view.lone_shards.push_back(ReadBytes(shard["key"]));
      view.lone_unassigned += shard["assigned"].as<bool>() ? 0U : 1U;
    }
    view.lone_index = transaction.Row(sql::kWritesIndex, view.id)[0].as<bool>();
  }
  return view;
}

std::optional<ScrubView> ReadShardScrub(const pqxx::row& row, const ShardView& shard) {
  if (!row["scrubbed"].as<bool>()) {
    return std::nullopt;
  }
  ScrubView scrub{.key = shard.key,
                  .worker_id = {},
                  .worker_name = shard.worker_name,
                  .kind = "shard",
                  .waits = row["waits"].as<bool>(),
                  .running = row["running"].as<bool>(),
                  .whole_at_ms = row["scrubbed_at_ms"].as<std::int64_t>(),
                  .counts = {}};
  scrub.counts = {.blocks = CountOf(row, "scrub_blocks"),
                  .nars = CountOf(row, "scrub_nars"),
                  .bytes = CountOf(row, "scrub_bytes"),
                  .bytes_total = CountOf(row, "scrub_bytes_total"),
                  .damaged = CountOf(row, "damaged"),
                  .repaired = CountOf(row, "repaired"),
                  .given_up = CountOf(row, "given_up")};
  return scrub;
}

// The hosts in the order of their first upstream.
void AddUpstreamCaches(PgTransaction& transaction, StatusView& status) {
  std::vector<UpstreamView> ordered;
  for (const pqxx::row& row : transaction.Exec(sql::kUpstreamCaches, kStatusHostsMax)) {
    const auto host = TextOf(row, "host");
    const auto of_host = [&](const UpstreamView& view) { return view.host == host; };
    auto place = std::find_if(ordered.begin(), ordered.end(), of_host);
    if (place == ordered.end()) {
      const auto found = std::find_if(status.upstreams.begin(), status.upstreams.end(), of_host);
      if (found == status.upstreams.end()) {
        continue;
      }
      place = ordered.insert(ordered.end(), std::move(*found));
      status.upstreams.erase(found);
    }
    place->caches.push_back({.url = TextOf(row, "url"),
                             .preference = row["preference"].as<std::uint32_t>(),
                             .public_keys = ReadTextArray(row["public_keys"]),
                             .nars_stored = CountOf(row, "nars_stored")});
  }
  std::move(status.upstreams.begin(), status.upstreams.end(), std::back_inserter(ordered));
  status.upstreams = std::move(ordered);
}

std::optional<BudgetView> ReadBudget(PgTransaction& transaction) {
  const pqxx::row row = transaction.Row(sql::kBudgetStatus);
  if (row["bytes"].is_null() && CountOf(row, "left_out") == 0) {
    return std::nullopt;
  }
  return BudgetView{.bytes = row["bytes"].is_null() ? 0 : CountOf(row, "bytes"),
                    .choosing = row["choosing"].as<bool>(),
                    .kept_paths = CountOf(row, "kept_paths"),
                    .kept_bytes = CountOf(row, "kept_bytes"),
                    .left_out_paths = CountOf(row, "left_out"),
                    .waiting_paths = CountOf(row, "waiting_paths"),
                    .kept_value = row["kept_value"].as<double>()};
}

// `title`: the channel, or the list with its name.
void AuditSubmission(PgTransaction& transaction, const Caller& caller, const NewRelease& submission,
                     ReleaseId release, const std::string& title, bool existed) {
  std::string decision = existed ? "it is at work already" : "it is begun";
  decision +=
      fmt::format(", priority {}, at most {} missing", submission.priority, submission.max_missing);
  for (const auto& [what, patterns] :
       {std::pair("match", &submission.match), std::pair("exclude", &submission.exclude)}) {
    if (!patterns->empty()) {
      decision += fmt::format(", {} {}", what, fmt::join(*patterns, " "));
    }
  }
  decision += submission.force ? ", force" : "";
  if (submission.upstream_url.starts_with("file:")) {
    decision += ", from " + submission.upstream_url;
  }
  RecordAudit(transaction, caller, submission.plan_only ? "plan" : "submit",
              fmt::format("release {} ({})", release, title), decision);
}

}  // namespace

Result<Submitted> PgReleaseStore::Submit(const NewRelease& release, const Caller& caller) {
  return RunTransaction(
      pool_, "submit a release", [&](PgTransaction& transaction) -> Result<Submitted> {
        const auto upstream =
            transaction.Row(sql::kFindOrAddUpstream, release.upstream_url)[0].as<UpstreamId>();
        const std::string match = TextArray(release.match);
        const std::string exclude = TextArray(release.exclude);
        if (!release.is_list) {
          const auto open =
              transaction.MaybeRow(sql::kFindOpenRelease, release.channel, match, exclude);
          if (open) {
            const auto id = (*open)["id"].as<ReleaseId>();
            transaction.Exec(sql::kLiftPlan, id, release.plan_only, release.force,
                             release.max_missing, release.priority);
            AuditSubmission(transaction, caller, release, id, release.channel, true);
            return Submitted{.release = id, .existed = true};
          }
        }
        const pqxx::row row = transaction.Row(
            sql::kInsertRelease, release.channel, upstream, match, exclude, release.plan_only,
            release.force, release.max_missing, release.priority, release.is_list);
        const auto id = row[0].as<ReleaseId>();
        if (release.is_list) {
          servers_.Begin(transaction, id);
        } else {
          AuditSubmission(transaction, caller, release, id, release.channel, false);
        }
        return Submitted{.release = id, .existed = false};
      });
}

Result<void> PgReleaseStore::AddListRoots(ReleaseId release, std::span<const PathName> roots) {
  return RunTransaction(
      pool_, "add the roots of a list", [&](PgTransaction& transaction) -> Result<void> {
        HNX_TRY(servers_.Check(transaction, release));
        auto outcome = AddRootsIn(transaction, release, roots);
        if (!outcome.has_value()) {
          return outcome.error();
        }
        for (const RootConflict& conflict : outcome->conflicts) {
          if (conflict.in_this_release) {
            return InvalidArgument(fmt::format("the list names {} twice, as {} and as {}",
                                               conflict.hash, conflict.listed_name,
                                               conflict.known_name));
          }
        }
        return {};
      });
}

Result<Submitted> PgReleaseStore::NameList(ReleaseId release, const std::string& name,
                                           const NewRelease& submission, const Caller& caller) {
  return RunTransaction(
      pool_, "begin the walk of a list", [&](PgTransaction& transaction) -> Result<Submitted> {
        HNX_TRY(servers_.Check(transaction, release));
        const auto upstream =
            transaction.Row(sql::kFindOrAddUpstream, submission.upstream_url)[0].as<UpstreamId>();
        const auto open =
            transaction.MaybeRow(sql::kFindList, submission.channel, name, upstream, release);
        if (open) {
          const auto id = (*open)["id"].as<ReleaseId>();
          transaction.Exec(sql::kDropRelease, release);
          transaction.Exec(sql::kLiftPlan, id, submission.plan_only, submission.force,
                           submission.max_missing, submission.priority);
          AuditSubmission(transaction, caller, submission, id, submission.channel + " " + name,
                          true);
          return Submitted{.release = id, .existed = true};
        }
        transaction.Exec(sql::kNameList, release, name);
        AuditSubmission(transaction, caller, submission, release, submission.channel + " " + name,
                        false);
        return Submitted{.release = release, .existed = false};
      });
}

Result<void> PgReleaseStore::DropRelease(ReleaseId release) {
  return RunTransaction(pool_, "drop a list", [&](PgTransaction& transaction) -> Result<void> {
    transaction.Exec(sql::kDropRelease, release);
    return {};
  });
}

Result<ReleaseView> PgReleaseStore::Get(ReleaseId release) {
  return RunTransaction(
      pool_, "look at a release", [&](PgTransaction& transaction) -> Result<ReleaseView> {
        const auto row = transaction.MaybeRow(sql::kGetReleases, release, 1);
        if (!row) {
          return NotFound(release == 0 ? std::string("nothing was submitted yet")
                                       : fmt::format("there is no release {}", release));
        }
        return ReadReleaseView(*row);
      });
}

Result<StatusView> PgReleaseStore::GetStatus() {
  return RunTransaction(
      pool_, "look at the mirror", [&](PgTransaction& transaction) -> Result<StatusView> {
        StatusView status;
        const pqxx::row mirror = transaction.Row(sql::kMirrorStatus);
        status.index_key = ReadBytes(mirror["index_key"]);
        status.index_length = CountOf(mirror, "db_length");
        status.published_batch = CountOf(mirror, "published_batch");
        status.index_acknowledged_length = CountOf(mirror, "acknowledged_db_length");
        status.index_acknowledged_batch = CountOf(mirror, "acknowledged_batch");
        status.paths_published = CountOf(mirror, "paths_published");
        status.paused = mirror["paused"].as<bool>();
        status.pause_reason = TextOf(mirror, "pause_reason");
        for (const pqxx::row& row : transaction.Exec(sql::kHostStatus, kStatusHostsMax)) {
          status.upstreams.push_back(
              {.host = TextOf(row, "host"),
               .paused = row["paused"].as<bool>(),
               .pause_reason = TextOf(row, "pause_reason"),
               .held_back_ms = CountOf(row, "held_back_ms"),
               .breaker = TextOf(row, "breaker"),
               .failures_in_a_row = row["failures_in_a_row"].as<std::uint32_t>(),
               .bytes_per_second = CountOf(row, "bytes_per_second"),
               .requests_per_second = row["requests_per_second"].as<double>(),
               .transfers_max = row["transfers_max"].as<std::uint32_t>(),
               .window = row["window_now"].as<std::uint32_t>(),
               .caches = {}});
        }
        AddUpstreamCaches(transaction, status);
        status.budget = ReadBudget(transaction);
        for (const pqxx::row& row : transaction.Exec(sql::kGetReleases, -1, kStatusReleasesMax)) {
          status.releases.push_back(ReadReleaseView(row));
        }
        for (const pqxx::row& row :
             transaction.Exec(sql::kWorkerStatus, kWorkerSilenceMs, kStatusWorkersMax)) {
          status.workers.push_back(ReadWorkerView(transaction, row));
        }
        for (const pqxx::row& row : transaction.Exec(sql::kShardStatus, kStatusShardsMax)) {
          ShardView shard{.key = ReadBytes(row["key"]),
                          .worker_name = TextOf(row, "name"),
                          .nars = CountOf(row, "nars"),
                          .bytes = CountOf(row, "bytes"),
                          .sealed = row["sealed"].as<bool>(),
                          .lost = row["lost"].as<bool>(),
                          .copies = row["copies"].as<std::uint32_t>(),
                          .copies_whole = row["copies_whole"].as<std::uint32_t>(),
                          .scrub = {}};
          shard.scrub = ReadShardScrub(row, shard);
          status.shards.push_back(std::move(shard));
        }
        return status;
      });
}

Result<void> PgReleaseStore::ListFailures(
    ReleaseId release, const std::function<Result<void>(const FailureView&)>& sink) {
  HNX_ASSIGN_OR_RETURN(const ReleaseView view, Get(release));
  std::string after;
  for (;;) {
    std::vector<FailureView> page;
    auto read =
        RunTransaction(pool_, "list failures", [&](PgTransaction& transaction) -> Result<void> {
          page.clear();
          for (const pqxx::row& row :
               transaction.Exec(sql::kFailuresPage, view.id, after, kFailuresPage)) {
            page.push_back(
                {.store_path = "/nix/store/" + TextOf(row, "hash") + "-" + TextOf(row, "name"),
                 .state = TextOf(row, "state"),
                 .reason = TextOf(row, "reason"),
                 .message = TextOf(row, "message"),
                 .blocked_by = row["blocked_by"].is_null()
                                   ? std::string()
                                   : "/nix/store/" + TextOf(row, "blocked_by"),
                 .since_ms = row["since_ms"].as<std::int64_t>(),
                 .attempts = row["attempts"].as<std::uint32_t>(),
                 .accepted = TextOf(row, "accepted")});
          }
          return {};
        });
    if (!read.has_value()) {
      return read;
    }
    for (const FailureView& failure : page) {
      HNX_TRY(sink(failure));
      constexpr std::size_t kStorePrefix = 11;  // "/nix/store/"
      constexpr std::size_t kHash = 32;
      after = failure.store_path.substr(kStorePrefix, kHash);
    }
    if (page.size() < static_cast<std::size_t>(kFailuresPage)) {
      return {};
    }
  }
}

Result<PathView> PgReleaseStore::Why(const std::string& store_path_hash) {
  return RunTransaction(pool_, "look at a path", [&](PgTransaction& transaction) {
    return ReadPathView(transaction, store_path_hash);
  });
}

}  // namespace hnx::coordinator
