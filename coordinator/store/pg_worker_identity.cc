#include "coordinator/store/pg_worker_identity.h"

#include <fmt/format.h>

#include "coordinator/store/pg_audit.h"
#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {

Result<void> CheckPinnedIdentity(const std::string& worker, const std::string& pinned,
                                 const std::string& proven) {
  if (pinned.empty() || pinned == proven) {
    return {};
  }
  return Error{
      ErrorCode::kPermissionDenied,
      fmt::format(
          "worker {} is {}'s, and this call is {}'s: give it the certificate or token of {}, "
          "or have the worker forgotten (coordinator forget) if its disk is gone",
          worker, pinned, proven, pinned)};
}

Result<void> PgWorkerIdentity::Check(const std::string& worker_id, const std::string& proven) {
  return RunTransaction(
      pool_, "see whose a worker is", [&](PgTransaction& transaction) -> Result<void> {
        const auto row = transaction.MaybeRow(sql::kWorkerIdentity, worker_id);
        if (!row) {
          return {};
        }
        return CheckPinnedIdentity(worker_id, (*row)["identity"].as<std::string>(), proven);
      });
}

Result<void> PgWorkerIdentity::RecordRefusal(const Caller& caller, const std::string& worker_id,
                                             const std::string& decision) {
  return RunTransaction(pool_, "record a refusal", [&](PgTransaction& transaction) -> Result<void> {
    RecordAudit(transaction, caller, "refuse", "worker " + worker_id, decision);
    return {};
  });
}

}  // namespace hnx::coordinator
