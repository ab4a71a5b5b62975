#include "coordinator/store/pg_leader.h"

#include <utility>

#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {

PgLeader::PgLeader(PgPool& pool, std::string holder) : pool_(pool), holder_(std::move(holder)) {}

Result<bool> PgLeader::Renew() {
  const std::int64_t before = epoch_.load();
  auto epoch = RunTransaction(
      pool_, "renew the leadership", [&](PgTransaction& transaction) -> Result<std::int64_t> {
        const auto term = static_cast<std::int64_t>(kLeaderTerm.count());
        auto row = transaction.MaybeRow(sql::kRenewLeadership, holder_, before, term);
        if (!row && transaction.MaybeRow(sql::kHasNoLeader)) {
          transaction.Exec(sql::kLockBackgroundWork);
          row = transaction.MaybeRow(sql::kTakeLeadership, holder_, term);
        }
        return row ? (*row)[0].as<std::int64_t>() : std::int64_t{0};
      });
  if (!epoch.has_value()) {
    return epoch.error();
  }
  epoch_.store(*epoch);
  return *epoch != 0;
}

void PgLeader::Resign() {
  const std::int64_t epoch = epoch_.exchange(0);
  if (epoch == 0) {
    return;
  }
  // At worst the others wait for the expiry.
  (void)RunTransaction(pool_, "resign the leadership",
                       [&](PgTransaction& transaction) -> Result<void> {
                         transaction.Exec(sql::kResignLeadership, holder_, epoch);
                         return {};
                       });
}

Result<void> PgLeader::Lock(PgTransaction& transaction) const {
  transaction.Exec(sql::kLockBackgroundWork);
  // A statement of its own: it sees what was committed while the lock was waited for.
  if (!transaction.MaybeRow(sql::kIsLeader, holder_, epoch_.load())) {
    return Aborted("another coordinator does the background work now");
  }
  return {};
}

}  // namespace hnx::coordinator
