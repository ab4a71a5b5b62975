// Which shards are lost, as far as a worker's report tells: used inside the transaction that
// records the report. A lost shard is sealed; what becomes of its NARs is PgLossRepairer's
// business.
#pragma once

#include <cstdint>
#include <string>

#include "coordinator/domain/worker_report.h"
#include "coordinator/store/pg_transaction.h"

namespace hnx::coordinator {

// Recorded shards of the worker that its report does not name, though it lists all it has: an
// empty disk under the old identity.
void LoseUnlistedShards(PgTransaction& transaction, const WorkerReport& report);

// The worker holds less of shard `shard` than was recorded, or another history.
void LoseShard(PgTransaction& transaction, std::int64_t shard, const WorkerReport& report);

// It holds at least what was recorded: a shard that was given up is there again.
void HoldShardAgain(PgTransaction& transaction, std::int64_t shard, const WorkerReport& report);

// Files that were deleted from shard `shard`: NARs that counted there are wanted again.
void LoseDeletedNars(PgTransaction& transaction, std::int64_t shard, const std::string& files);

}  // namespace hnx::coordinator
