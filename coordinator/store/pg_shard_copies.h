// Read-only copies of shards: what a worker says of those that it has, and which it is to have.
// Used inside the transactions of Synchronize.
#pragma once

#include <string>
#include <vector>

#include "coordinator/domain/worker_report.h"
#include "coordinator/store/pg_transaction.h"

namespace hnx::coordinator {

// A copy that the worker had and does not name any more, though it lists all it has, is lost.
void RecordCopies(PgTransaction& transaction, const WorkerReport& report);

std::vector<DesiredCopy> CopiesOfWorker(PgTransaction& transaction, const std::string& worker_id);

}  // namespace hnx::coordinator
