#include "coordinator/store/pg_loss_repairer.h"

#include "base/crash_point.h"
#include "base/log.h"
#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {
namespace {

std::string IdList(const pqxx::result& rows) {
  PgArray ids;
  for (const pqxx::row& row : rows) {
    ids.Add(row[0].as<std::int64_t>());
  }
  return ids.Literal();
}

// How many NARs it took. What a copy holds stays as it is.
std::int64_t TakeLost(PgTransaction& transaction) {
  const pqxx::result unrepaired = transaction.Exec(sql::kLockUnrepaired);
  if (unrepaired.empty()) {
    return 0;
  }
  const std::string shards = IdList(unrepaired);
  transaction.Exec(sql::kDropLostExtraCopies);
  const pqxx::result lost = transaction.Exec(sql::kTakeLostNars, kRepairNarsMax, shards);
  if (lost.empty()) {
    transaction.Exec(sql::kEndRepair, shards);
    return 0;
  }
  const std::string nars = IdList(lost);
  const pqxx::result adopted = transaction.Exec(sql::kAdoptLostNars, nars);
  transaction.Exec(sql::kForgetStoredPaths, nars);
  Log("repair")->info(
      "{} NARs of lost shards: {} lie in another shard, {} are fetched again where "
      "they are needed",
      lost.size(), adopted.size(), lost.size() - adopted.size());
  return static_cast<std::int64_t>(lost.size());
}

std::int64_t TakeFound(PgTransaction& transaction) {
  const pqxx::result found = transaction.Exec(sql::kTakeFoundNars, kRepairNarsMax);
  if (!found.empty()) {
    transaction.Exec(sql::kStorePathsOfNars, IdList(found));
    Log("repair")->info("{} NARs are there again with their shard", found.size());
  }
  return static_cast<std::int64_t>(found.size());
}

}  // namespace

Result<bool> PgLossRepairer::RepairStep() {
  return RunTransaction(pool_, "bring back what was lost",
                        [&](PgTransaction& transaction) -> Result<bool> {
                          HNX_TRY(leader_.Lock(transaction));
                          const std::int64_t found = TakeFound(transaction);
                          const std::int64_t lost = TakeLost(transaction);
                          transaction.Exec(sql::kRetryLostNars, kRepairNarsMax, kRepairRetryMs);
                          CrashPoint("coordinator.before_repair");
                          return found >= kRepairNarsMax || lost >= kRepairNarsMax;
                        });
}

}  // namespace hnx::coordinator
