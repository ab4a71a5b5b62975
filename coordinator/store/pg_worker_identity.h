// PgWorkerIdentity: whose a worker is. The first name that a certificate or token proves for a
// worker's id is pinned to it (by FenceWorker, in the transaction of that call); afterwards only
// that name may speak for it, until an operator has the worker forgotten. Thread-safe.
#pragma once

#include <string>

#include "base/result.h"
#include "coordinator/domain/audit_view.h"
#include "coordinator/store/pg_pool.h"

namespace hnx::coordinator {

// `pinned`, empty for none, against what the caller proved.
Result<void> CheckPinnedIdentity(const std::string& worker, const std::string& pinned,
                                 const std::string& proven);

class PgWorkerIdentity {
 public:
  // `pool` must outlive this object.
  explicit PgWorkerIdentity(PgPool& pool) : pool_(pool) {}

  // kPermissionDenied: the worker is another one's. A worker that was never heard of is nobody's.
  Result<void> Check(const std::string& worker_id, const std::string& proven);
  // Into the audit.
  Result<void> RecordRefusal(const Caller& caller, const std::string& worker_id,
                             const std::string& decision);

 private:
  PgPool& pool_;
};

}  // namespace hnx::coordinator
