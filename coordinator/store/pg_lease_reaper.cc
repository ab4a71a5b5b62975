#include "coordinator/store/pg_lease_reaper.h"

#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {

Result<std::uint64_t> PgLeaseReaper::Reap() {
  return RunTransaction(
      pool_, "take back leases", [&](PgTransaction& transaction) -> Result<std::uint64_t> {
        HNX_TRY(leader_.Lock(transaction));
        const auto gap_ms = transaction.Row(sql::kReapGap)[0].as<std::int64_t>();
        if (gap_ms > kReapGapMsMax) {
          transaction.Exec(sql::kExtendLeases, gap_ms);
          return std::uint64_t{0};
        }
        PgArray jobs;
        const pqxx::result expired = transaction.Exec(sql::kExpireLeases, kReapJobsMax);
        for (const pqxx::row& row : expired) {
          jobs.Add(row[0].as<std::int64_t>());
        }
        transaction.Exec(sql::kDeleteJobs, jobs.Literal());
        return std::uint64_t{expired.size()};
      });
}

Result<void> PgLeaseReaper::FoldCounters() {
  return RunTransaction(pool_, "fold counters", [&](PgTransaction& transaction) -> Result<void> {
    HNX_TRY(leader_.Lock(transaction));
    for (const pqxx::row& row : transaction.Exec(sql::kReleasesToFold)) {
      transaction.Exec(sql::kFoldCounters, row[0].as<std::int64_t>());
    }
    transaction.Exec(sql::kFoldStored);
    return {};
  });
}

Result<void> PgLeaseReaper::DropAbandoned() {
  return RunTransaction(pool_, "drop what was abandoned",
                        [&](PgTransaction& transaction) -> Result<void> {
                          HNX_TRY(leader_.Lock(transaction));
                          transaction.Exec(sql::kDropUnfinishedArtifacts);
                          transaction.Exec(sql::kDropAbandonedLists);
                          transaction.Exec(sql::kDropExpiredShares);
                          return {};
                        });
}

}  // namespace hnx::coordinator
