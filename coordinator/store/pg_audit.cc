#include "coordinator/store/pg_audit.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {

void RecordAudit(PgTransaction& transaction, const Caller& caller, const std::string& operation,
                 const std::string& object, const std::string& decision) {
  if (caller.peer.empty()) {
    return;
  }
  transaction.Exec(sql::kRecordAudit, caller.who, caller.peer, operation, object, decision,
                   kAuditTextMax);
}

Result<void> PgAudit::List(std::int64_t since_ms, std::int64_t limit,
                           const std::function<Result<void>(const AuditView&)>& sink) {
  constexpr std::int64_t kPage = 1'000;
  std::int64_t left = limit <= 0 ? kAuditListMax : std::min(limit, kAuditListMax);
  std::int64_t below = std::numeric_limits<std::int64_t>::max();
  while (left > 0) {
    const std::int64_t wanted = std::min(left, kPage);
    std::vector<AuditView> page;
    HNX_TRY(
        RunTransaction(pool_, "list the audit", [&](PgTransaction& transaction) -> Result<void> {
          page.clear();
          for (const pqxx::row& row : transaction.Exec(sql::kListAudit, since_ms, below, wanted)) {
            page.push_back({.id = row["id"].as<std::int64_t>(),
                            .at_ms = row["at_ms"].as<std::int64_t>(),
                            .who = row["who"].as<std::string>(),
                            .peer = row["peer"].as<std::string>(),
                            .operation = row["operation"].as<std::string>(),
                            .object = row["object"].as<std::string>(),
                            .decision = row["decision"].as<std::string>()});
          }
          return {};
        }));
    for (const AuditView& entry : page) {
      HNX_TRY(sink(entry));
      below = entry.id;
    }
    left -= wanted;
    if (static_cast<std::int64_t>(page.size()) < wanted) {
      return {};
    }
  }
  return {};
}

Result<bool> PgAudit::Prune(std::chrono::milliseconds keep) {
  return RunTransaction(pool_, "prune the audit", [&](PgTransaction& transaction) -> Result<bool> {
    const auto gone =
        transaction.Exec(sql::kPruneAudit, static_cast<std::int64_t>(keep.count()), kAuditPruneMax)
            .affected_rows();
    return static_cast<std::int64_t>(gone) == kAuditPruneMax;
  });
}

}  // namespace hnx::coordinator
