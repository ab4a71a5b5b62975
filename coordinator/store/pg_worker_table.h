// WorkerTable: who the workers are, and which of a worker's processes counts. Used inside a
// transaction.
#pragma once

#include "base/result.h"
#include "coordinator/domain/worker_report.h"
#include "coordinator/store/pg_transaction.h"

namespace hnx::coordinator {

enum class WorkerCall {
  kCurrent,  // the newest message of the newest process
  kRepeated  // older or repeated: to be answered, but it changes nothing
};

// Locks the worker's row, so calls of one worker happen one after the other. kAborted: a newer
// process of this worker exists, or another one with the same incarnation (a copied directory).
// kPermissionDenied: the worker is pinned to another identity; the first one is pinned here.
Result<WorkerCall> FenceWorker(PgTransaction& transaction, const WorkerReport& report);

// What operators want of it.
struct WorkerStanding {
  bool paused = false;
  bool drain = false;

  bool gets_work() const { return !paused && !drain; }
};
WorkerStanding StandingOf(PgTransaction& transaction, const WorkerReport& report);

}  // namespace hnx::coordinator
