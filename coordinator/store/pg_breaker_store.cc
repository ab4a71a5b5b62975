#include "coordinator/store/pg_breaker_store.h"

#include <algorithm>

#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {

Result<std::optional<HalfOpenHost>> PgBreakerStore::NextToProbe() {
  return RunTransaction(
      pool_, "look for a half-open breaker",
      [&](PgTransaction& transaction) -> Result<std::optional<HalfOpenHost>> {
        HNX_TRY(leader_.Lock(transaction));
        const auto row = transaction.MaybeRow(sql::kHostToProbe);
        if (!row) {
          return std::optional<HalfOpenHost>();
        }
        return std::optional(HalfOpenHost{.host = (*row)["host"].as<std::string>(),
                                          .upstream_url = (*row)["url"].as<std::string>(),
                                          .opens = (*row)["breaker_opens"].as<int>()});
      });
}

Result<void> PgBreakerStore::EndProbe(const HalfOpenHost& host, bool well,
                                      std::chrono::milliseconds asked_for) {
  return RunTransaction(pool_, "end a probe", [&](PgTransaction& transaction) -> Result<void> {
    HNX_TRY(leader_.Lock(transaction));
    if (well) {
      transaction.Exec(sql::kCloseBreaker, host.host);
    } else {
      const auto wait = std::max(asked_for, waits_.Delay(host.opens + 1, random_));
      transaction.Exec(sql::kKeepBreakerOpen, host.host, static_cast<std::int64_t>(wait.count()));
    }
    return {};
  });
}

}  // namespace hnx::coordinator
