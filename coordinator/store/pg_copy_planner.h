// PgCopyPlanner: says which worker is to hold a read-only copy of which shard, until each is held
// in as many failure domains as wanted. Nobody is told to give a copy up. For the leader; one
// thread.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "coordinator/store/pg_leader.h"
#include "coordinator/store/pg_pool.h"

namespace hnx::coordinator {

// Shards that one step looks at; the next one goes on behind them.
inline constexpr std::int64_t kCopyShardsMax = 100;

class PgCopyPlanner {
 public:
  // `copies`: beside the one that its writer holds. 0: only what draining workers hold alone, or
  // what one copy is left of.
  PgCopyPlanner(PgPool& pool, const PgLeader& leader, std::int64_t copies)
      : pool_(pool), leader_(leader), copies_(copies) {}

  // True: there are more shards to look at.
  Result<bool> AssignStep();

 private:
  Result<std::vector<std::int64_t>> FindLacking();
  Result<void> Assign(std::int64_t shard);
  Result<void> MarkSought();

  PgPool& pool_;
  const PgLeader& leader_;
  const std::int64_t copies_;
  std::int64_t looked_at_ = 0;          // up to this shard
  std::vector<std::int64_t> unsought_;  // when the first one was looked at
};

}  // namespace hnx::coordinator
