// PgLossRepairer: brings back the NARs of lost shards, a bounded number a step. What a copy of the
// shard holds is not lost; the rest comes from another shard that holds it, or is wanted again.
// NARs whose shard is there again, or a copy of it, are stored again. For the leader; one thread.
#pragma once

#include "base/result.h"
#include "coordinator/store/pg_leader.h"
#include "coordinator/store/pg_pool.h"

namespace hnx::coordinator {

inline constexpr std::int64_t kRepairNarsMax = 1'000;
// What upstream does not have any more is asked for again so often.
inline constexpr std::int64_t kRepairRetryMs = 3'600'000;

class PgLossRepairer {
 public:
  PgLossRepairer(PgPool& pool, const PgLeader& leader) : pool_(pool), leader_(leader) {}

  // True: there is more to do at once.
  Result<bool> RepairStep();

 private:
  PgPool& pool_;
  const PgLeader& leader_;
};

}  // namespace hnx::coordinator
