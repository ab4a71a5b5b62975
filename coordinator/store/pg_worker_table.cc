#include "coordinator/store/pg_worker_table.h"

#include <fmt/format.h>

#include "base/check.h"
#include "coordinator/store/pg_worker_identity.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {

Result<WorkerCall> FenceWorker(PgTransaction& transaction, const WorkerReport& report) {
  const auto incarnation = static_cast<std::int64_t>(report.incarnation);
  const auto nonce = static_cast<std::int64_t>(report.nonce);
  auto row = transaction.MaybeRow(sql::kLockWorker, report.worker_id);
  if (!row) {
    transaction.Exec(sql::kInsertWorker, report.worker_id, report.worker_name, incarnation, nonce);
    row = transaction.MaybeRow(sql::kLockWorker, report.worker_id);
    HNX_CHECK(row.has_value());
  }
  if (!report.identity.empty()) {
    const auto pinned = (*row)["identity"].as<std::string>();
    HNX_TRY(CheckPinnedIdentity(report.worker_name, pinned, report.identity));
    if (pinned.empty()) {
      transaction.Exec(sql::kPinWorker, report.worker_id, report.identity);
    }
  }
  const auto known = (*row)["incarnation"].as<std::int64_t>();
  if (incarnation < known) {
    return Aborted(
        fmt::format("worker {} was started again since: incarnation {} is not {}, stop this one",
                    report.worker_name, incarnation, known));
  }
  const bool same_process = incarnation == known && nonce == (*row)["nonce"].as<std::int64_t>();
  if (incarnation == known && !same_process) {
    return Aborted(fmt::format(
        "two processes claim incarnation {} of worker {}: its data directory was copied; stop this "
        "one and give the copy an identity of its own",
        incarnation, report.worker_name));
  }
  if (same_process &&
      static_cast<std::int64_t>(report.sequence) <= (*row)["sequence"].as<std::int64_t>()) {
    return WorkerCall::kRepeated;
  }
  PgArray roles;
  if (report.mirrors) {
    roles.AddText("mirror");
  }
  if (report.indexes) {
    roles.AddText("index");
  }
  transaction.Exec(sql::kUpdateWorker, report.worker_id, report.worker_name, incarnation, nonce,
                   static_cast<std::int64_t>(report.sequence), roles.Literal(),
                   static_cast<std::int64_t>(report.disk_free_bytes), report.draining,
                   report.version, report.failure_domain, report.peer_address,
                   report.scrubs_nothing);
  return WorkerCall::kCurrent;
}

WorkerStanding StandingOf(PgTransaction& transaction, const WorkerReport& report) {
  const pqxx::row row = transaction.Row(sql::kWorkerStanding, report.worker_id);
  return {.paused = row["paused"].as<bool>(), .drain = row["drain"].as<bool>()};
}

}  // namespace hnx::coordinator
