#include "coordinator/store/pg_shard_losses.h"

#include "base/hex.h"
#include "base/log.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {
namespace {

constexpr const char* kCameBackWithout = "its worker came back without it";

void TellLoss(const pqxx::row& shard, const WorkerReport& report, std::string_view why) {
  Log("shards")->error("shard {} of worker {} is lost ({}): its NARs are brought back elsewhere",
                       EncodeHex(ReadBytes(shard["key"])), report.worker_name, why);
}

}  // namespace

void LoseUnlistedShards(PgTransaction& transaction, const WorkerReport& report) {
  transaction.Exec(sql::kRememberWorker, report.worker_id, report.disk_full);
  if (!report.lists_all_drives) {
    return;
  }
  PgArray keys;
  for (const DriveReport& drive : report.drives) {
    keys.AddBytes(drive.key);
  }
  for (const Bytes& key : report.unread_drives) {
    keys.AddBytes(key);
  }
  for (const pqxx::row& shard : transaction.Exec(sql::kLoseShardsBut, report.worker_id,
                                                 keys.Literal(), std::string(kCameBackWithout))) {
    TellLoss(shard, report, kCameBackWithout);
  }
}

void LoseShard(PgTransaction& transaction, std::int64_t shard, const WorkerReport& report) {
  for (const pqxx::row& row : transaction.Exec(sql::kLoseShard, shard)) {
    TellLoss(row, report, "less is there than was recorded");
  }
}

void HoldShardAgain(PgTransaction& transaction, std::int64_t shard, const WorkerReport& report) {
  for (const pqxx::row& row : transaction.Exec(sql::kHoldShardAgain, shard)) {
    Log("shards")->info("shard {} of worker {} is there again; it is only read from now on",
                        EncodeHex(ReadBytes(row["key"])), report.worker_name);
  }
}

void LoseDeletedNars(PgTransaction& transaction, std::int64_t shard, const std::string& files) {
  PgArray nars;
  const pqxx::result lost = transaction.Exec(sql::kLoseDeletedNars, shard, files);
  if (lost.empty()) {
    return;
  }
  for (const pqxx::row& row : lost) {
    nars.Add(row[0].as<std::int64_t>());
  }
  transaction.Exec(sql::kForgetStoredPaths, nars.Literal());
}

}  // namespace hnx::coordinator
