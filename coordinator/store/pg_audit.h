// PgAudit: the table of who decided what. A row is written by the transaction that does what was
// decided, so neither is there without the other. Thread-safe.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/result.h"
#include "coordinator/domain/audit_view.h"
#include "coordinator/store/pg_pool.h"

namespace hnx::coordinator {

class PgTransaction;

// In one listing; and what longer texts are cut to.
inline constexpr std::int64_t kAuditListMax = 10'000;
inline constexpr int kAuditTextMax = 2'000;  // characters
// Rows that one Prune removes.
inline constexpr std::int64_t kAuditPruneMax = 1'000;

// For pg_*.cc. Nothing for a Caller without a peer.
void RecordAudit(PgTransaction& transaction, const Caller& caller, const std::string& operation,
                 const std::string& object, const std::string& decision);

class PgAudit {
 public:
  // `pool` must outlive this object.
  explicit PgAudit(PgPool& pool) : pool_(pool) {}

  // Since then (Unix ms), the newest first, at most `limit` (0: kAuditListMax, which is the most);
  // an error of `sink` ends it.
  Result<void> List(std::int64_t since_ms, std::int64_t limit,
                    const std::function<Result<void>(const AuditView&)>& sink);
  // What is older goes. True: there may be more.
  Result<bool> Prune(std::chrono::milliseconds keep);

 private:
  PgPool& pool_;
};

}  // namespace hnx::coordinator
