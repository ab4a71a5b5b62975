#include "coordinator/store/pg_inventory_store.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>

#include <fmt/format.h>

#include "coordinator/domain/overview.h"
#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {
namespace {

constexpr std::uint64_t kShardsAPage = 500;
// Of each lane, that are looked at for the oldest.
constexpr std::int64_t kNarsLookedAt = 100;

constexpr std::array<std::string_view, 3> kDriveStates{"open", "sealed", "lost"};
constexpr std::array<std::string_view, 7> kQueueStates{"wanted", "idle",    "leased",   "ready",
                                                       "stored", "missing", "set_aside"};

template <std::size_t n>
Result<void> CheckState(const std::string& state, const std::array<std::string_view, n>& states) {
  if (state.empty() || std::find(states.begin(), states.end(), state) != states.end()) {
    return {};
  }
  return InvalidArgument(
      fmt::format("there is no state \"{}\"; one of {}", state, fmt::join(states, ", ")));
}

DriveView ReadIndex(const pqxx::row& row) {
  DriveView drive;
  drive.key = ReadBytes(row["key"]);
  drive.is_index = true;
  drive.worker_id = TextOf(row, "worker_id");
  drive.worker_name = TextOf(row, "worker_name");
  drive.state = "open";
  drive.length = row["db_length"].as<std::uint64_t>();
  drive.bytes = row["content_byte_length"].as<std::uint64_t>();
  drive.published_at_ms = TimeOf(row, "published_at_ms");
  return drive;
}

DriveView ReadShard(const pqxx::row& row) {
  DriveView drive;
  drive.key = ReadBytes(row["key"]);
  drive.worker_id = TextOf(row, "worker_id");
  drive.worker_name = TextOf(row, "worker_name");
  drive.state = TextOf(row, "state");
  drive.reason = TextOf(row, "seal_reason");
  drive.length = row["db_length"].as<std::uint64_t>();
  drive.bytes = row["content_byte_length"].as<std::uint64_t>();
  drive.nars = row["nars"].as<std::uint64_t>();
  drive.copies = row["copies"].as<std::uint32_t>();
  drive.copies_whole = row["copies_whole"].as<std::uint32_t>();
  drive.created_at_ms = TimeOf(row, "created_at_ms");
  return drive;
}

LeaseView ReadLease(const pqxx::row& row) {
  LeaseView lease;
  lease.job_id = row["id"].as<std::uint64_t>();
  lease.worker_id = TextOf(row, "worker_id");
  lease.worker_name = TextOf(row, "worker_name");
  lease.release_id = row["release_id"].as<std::uint64_t>();
  lease.attempt = row["attempt"].as<std::uint32_t>();
  lease.nars = row["nars"].as<std::uint64_t>();
  lease.bytes = row["bytes"].as<std::uint64_t>();
  lease.bytes_done = row["bytes_done"].as<std::uint64_t>();
  lease.leased_at_ms = row["leased_at_ms"].as<std::int64_t>();
  lease.expires_at_ms = row["expires_at_ms"].as<std::int64_t>();
  lease.late = row["late"].as<bool>();
  return lease;
}

std::vector<QueueView> ReadQueue(PgTransaction& transaction, const std::string& state) {
  std::vector<QueueView> queue;
  for (const std::string_view each : kQueueStates) {
    if (state.empty() || state == each) {
      queue.push_back({.state = std::string(each), .count = 0, .oldest_at_ms = std::nullopt});
    }
  }
  const auto of = [&queue](const std::string& name) {
    return std::find_if(queue.begin(), queue.end(),
                        [&](const QueueView& view) { return view.state == name; });
  };
  for (const pqxx::row& row : transaction.Exec(sql::kOverviewStates)) {
    if (const auto found = of(TextOf(row, "state"));
        row["is_nar"].as<bool>() && found != queue.end()) {
      found->count = row["amount"].as<std::uint64_t>();
    }
  }
  const pqxx::row row = transaction.Row(sql::kOverviewQueue, kNarsLookedAt, kOverviewReadyMax);
  if (const auto wanted = of("wanted"); wanted != queue.end()) {
    wanted->oldest_at_ms = TimeOf(row, "oldest_wanted_at_ms");
  }
  if (const auto leased = of("leased"); leased != queue.end()) {
    leased->oldest_at_ms = TimeOf(row, "oldest_lease_at_ms");
  }
  if (const auto ready = of("ready"); ready != queue.end()) {
    ready->count = row["ready"].as<std::uint64_t>();
    ready->oldest_at_ms = TimeOf(row, "oldest_ready_at_ms");
  }
  return queue;
}

}  // namespace

Result<std::vector<std::string>> PgInventoryStore::WorkersNamed(const std::string& name) {
  std::vector<std::string> ids;
  if (name.empty()) {
    return ids;
  }
  HNX_TRY(
      RunTransaction(pool_, "look for the worker", [&](PgTransaction& transaction) -> Result<void> {
        ids.clear();
        for (const auto& row : transaction.Exec(sql::kInventoryWorker, name)) {
          ids.push_back(TextOf(row, "id"));
        }
        return {};
      }));
  if (ids.empty()) {
    return NotFound(
        fmt::format("there is no worker \"{}\"; `coordinator workers` lists them", name));
  }
  return ids;
}

Result<void> PgInventoryStore::ListDrives(
    const DriveFilter& filter, const std::function<Result<void>(const DriveView&)>& take) {
  HNX_TRY(CheckState(filter.state, kDriveStates));
  HNX_ASSIGN_OR_RETURN(const std::vector<std::string> workers, WorkersNamed(filter.worker));
  std::uint64_t left = filter.limit > 0 ? filter.limit : std::numeric_limits<std::uint64_t>::max();
  const auto read_index = [](PgTransaction& transaction) -> Result<std::vector<DriveView>> {
    std::vector<DriveView> drives;
    for (const pqxx::row& row : transaction.Exec(sql::kInventoryIndex)) {
      drives.push_back(ReadIndex(row));
    }
    return drives;
  };
  HNX_ASSIGN_OR_RETURN(const std::vector<DriveView> index,
                       RunTransaction(pool_, "look at the index", read_index));
  for (const DriveView& drive : index) {
    const bool asked = workers.empty() ||
                       std::find(workers.begin(), workers.end(), drive.worker_id) != workers.end();
    if (asked && (filter.state.empty() || filter.state == drive.state)) {
      HNX_TRY(take(drive));
      --left;
    }
  }
  std::int64_t above = 0;
  while (left > 0) {
    const std::uint64_t page = std::min(left, kShardsAPage);
    std::vector<DriveView> shards;
    HNX_TRY(
        RunTransaction(pool_, "list the shards", [&](PgTransaction& transaction) -> Result<void> {
          shards.clear();
          std::int64_t last = above;
          for (const pqxx::row& row : transaction.Exec(sql::kInventoryShards, above,
                                                       TextArray(workers), filter.state, page)) {
            last = row["id"].as<std::int64_t>();
            shards.push_back(ReadShard(row));
          }
          above = last;
          return {};
        }));
    for (const DriveView& shard : shards) {
      HNX_TRY(take(shard));
    }
    if (shards.size() < page) {
      return {};
    }
    left -= page;
  }
  return {};
}

Result<JobsView> PgInventoryStore::Jobs(const JobFilter& filter) {
  HNX_TRY(CheckState(filter.state, kQueueStates));
  HNX_ASSIGN_OR_RETURN(const std::vector<std::string> workers, WorkersNamed(filter.worker));
  const std::uint32_t limit = std::min(filter.limit, kLeasesListedMax);
  return RunTransaction(
      pool_, "list the jobs", [&](PgTransaction& transaction) -> Result<JobsView> {
        JobsView jobs;
        if (workers.empty()) {
          jobs.queue = ReadQueue(transaction, filter.state);
        }
        if (!filter.state.empty() && filter.state != "leased") {
          return jobs;
        }
        const std::string of = TextArray(workers);
        jobs.leases = transaction.Row(sql::kInventoryLeaseCount, of)[0].as<std::uint64_t>();
        for (const pqxx::row& row : transaction.Exec(sql::kInventoryLeases, of, limit)) {
          jobs.listed.push_back(ReadLease(row));
        }
        return jobs;
      });
}

}  // namespace hnx::coordinator
