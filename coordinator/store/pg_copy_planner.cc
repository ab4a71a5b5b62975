#include "coordinator/store/pg_copy_planner.h"

#include "base/hex.h"
#include "base/log.h"
#include "coordinator/domain/work_control.h"
#include "coordinator/domain/worker_report.h"
#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {
namespace {

std::vector<std::int64_t> IdsOf(const pqxx::result& rows) {
  std::vector<std::int64_t> ids;
  for (const pqxx::row& row : rows) {
    ids.push_back(row[0].as<std::int64_t>());
  }
  return ids;
}

}  // namespace

Result<bool> PgCopyPlanner::AssignStep() {
  HNX_ASSIGN_OR_RETURN(const std::vector<std::int64_t> lacking, FindLacking());
  for (const std::int64_t shard : lacking) {
    HNX_TRY(Assign(shard));
  }
  const bool more = static_cast<std::int64_t>(lacking.size()) == kCopyShardsMax;
  looked_at_ = more ? lacking.back() : 0;
  if (!more && !unsought_.empty()) {
    HNX_TRY(MarkSought());
  }
  return more;
}

Result<std::vector<std::int64_t>> PgCopyPlanner::FindLacking() {
  return RunTransaction(pool_, "find shards that lack copies",
                        [&](PgTransaction& transaction) -> Result<std::vector<std::int64_t>> {
                          HNX_TRY(leader_.Lock(transaction));
                          if (looked_at_ == 0) {
                            unsought_ = IdsOf(transaction.Exec(sql::kShardsUnsought));
                          }
                          return IdsOf(transaction.Exec(sql::kShardsLackingCopies, looked_at_,
                                                        copies_, kCopyShardsMax));
                        });
}

Result<void> PgCopyPlanner::MarkSought() {
  return RunTransaction(pool_, "note that holders were looked for",
                        [&](PgTransaction& transaction) -> Result<void> {
                          HNX_TRY(leader_.Lock(transaction));
                          transaction.Exec(sql::kMarkCopiesSought, Int64Array(unsought_));
                          return {};
                        });
}

// One a transaction: what it locks of shards and workers, Synchronize locks in another order.
Result<void> PgCopyPlanner::Assign(std::int64_t shard) {
  return RunTransaction(
      pool_, "give a copy of a shard to a worker", [&](PgTransaction& transaction) -> Result<void> {
        HNX_TRY(leader_.Lock(transaction));
        if (const auto copy = transaction.MaybeRow(sql::kAssignCopy, shard, kWorkerSilenceMs,
                                                   static_cast<std::int64_t>(kWorkerCopiesMax))) {
          Log("copies")->info("worker {} is to hold a copy of shard {}",
                              (*copy)["worker"].as<std::string>(),
                              EncodeHex(ReadBytes((*copy)["key"])));
        }
        return {};
      });
}

}  // namespace hnx::coordinator
