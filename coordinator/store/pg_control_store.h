// PgControlStore: what operators do to work. Each call is one transaction that any replica may run;
// it takes effect at the next lease and the next look of the walk, wherever those are made.
// Thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "coordinator/domain/audit_view.h"
#include "coordinator/domain/work_control.h"
#include "coordinator/store/pg_pool.h"

namespace hnx::coordinator {

class PgControlStore {
 public:
  explicit PgControlStore(PgPool& pool) : pool_(pool) {}

  // `reason` is shown wherever the pause shows. kNotFound: no such thing, the message lists what
  // there is; kFailedPrecondition: the release is over, or the name is that of several workers.
  Result<PauseOutcome> Pause(const PauseTarget& target, const std::string& reason,
                             const Caller& caller = {});
  Result<PauseOutcome> Resume(const PauseTarget& target, const Caller& caller = {});

  // How many leases were ended. Cancelling again changes nothing. kFailedPrecondition: it is over.
  Result<std::uint64_t> Cancel(std::int64_t release, const std::string& reason,
                               const Caller& caller = {});
  Result<void> SetPriority(std::int64_t release, int priority, const Caller& caller = {});
  // The worker's id.
  Result<std::string> Drain(const std::string& worker, bool undo, const Caller& caller = {});
  // Its disk is gone, says the operator: all its shards are lost. kFailedPrecondition: it called
  // within kWorkerSilenceMs.
  Result<ForgottenWorker> ForgetWorker(const std::string& worker, const Caller& caller = {});

  // Failed paths are looked for upstream again. Accepted ones only when they are named.
  Result<FailuresChanged> Retry(const FailureSelection& selection, const Caller& caller = {});
  // kFailedPrecondition: one of the named paths did not fail. `note` empty: accept them no longer.
  Result<FailuresChanged> Accept(const FailureSelection& selection, const std::string& note,
                                 const Caller& caller = {});

 private:
  Result<PauseOutcome> Hold(const PauseTarget& target, const char* reason, const Caller& caller);

  PgPool& pool_;
};

}  // namespace hnx::coordinator
