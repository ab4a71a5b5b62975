// PgLaneStore: keeps each wanted NAR in the lane of the release that is to be served first among
// those that need it, after a priority, a pause or a release's state changed. For the leader; one
// thread.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "coordinator/store/pg_leader.h"
#include "coordinator/store/pg_pool.h"

namespace hnx::coordinator {

class PgLaneStore {
 public:
  PgLaneStore(PgPool& pool, const PgLeader& leader, std::int64_t chunk_rows = 5'000)
      : pool_(pool), leader_(leader), chunk_rows_(chunk_rows) {}

  // One chunk of one release; false: nothing was to be done.
  Result<bool> RelaneStep();

 private:
  // How far the release has been gone through, for the changes counted then.
  struct Position {
    std::int64_t release = 0;
    std::int64_t changes = 0;
    bool disarmed = false;
    std::int64_t after = 0;
  };

  PgPool& pool_;
  const PgLeader& leader_;
  const std::int64_t chunk_rows_;
  Position position_;
};

}  // namespace hnx::coordinator
