// DriveTable: recorded heads of shards, moved by compare-and-set only, and the NARs that became
// stored by it. Used inside a transaction. The rules are DecideDrive's (domain/drive_fence.h).
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "coordinator/domain/worker_report.h"
#include "coordinator/store/pg_transaction.h"

namespace hnx::coordinator {

// Files that one answer tells a worker to drop.
inline constexpr std::size_t kDropFilesMax = 256;

class DriveTable {
 public:
  // Both outlive this object. With `may_change` false nothing is written: the answer tells what is
  // recorded.
  DriveTable(PgTransaction& transaction, const WorkerReport& report, bool may_change)
      : transaction_(transaction), report_(report), may_change_(may_change) {}

  // nullopt: the drive is refused (another worker's).
  Result<std::optional<DesiredDrive>> Shard(const DriveReport& drive);

  // By file.
  using ShardEntries = std::map<std::string_view, const ShardEntry*>;

 private:
  void Claim(const pqxx::row& shard, const DriveReport& drive);
  void StoreEntries(std::int64_t shard, const std::vector<ShardEntry>& entries);
  void StoreNars(std::int64_t shard, ShardEntries entries);
  void EntriesGone(std::int64_t shard, const std::vector<ShardEntry>& entries, bool deleted_only);
  void Retired(std::int64_t shard, const DriveReport& drive, DesiredDrive& answer);

  PgTransaction& transaction_;
  const WorkerReport& report_;
  const bool may_change_;
};

}  // namespace hnx::coordinator
