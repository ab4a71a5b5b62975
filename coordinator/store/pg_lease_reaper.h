// PgLeaseReaper: takes back leases that ran out, and does the small housekeeping that belongs to
// nobody else. Time in which nobody could renew (the database or every coordinator was away) does
// not count against leases. For the leader; one thread.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/result.h"
#include "coordinator/store/pg_leader.h"
#include "coordinator/store/pg_pool.h"

namespace hnx::coordinator {

// Between two looks.
inline constexpr std::chrono::milliseconds kReapInterval{500};
// A longer pause between two looks means that nobody could renew either.
inline constexpr std::int64_t kReapGapMsMax = 3'000;
inline constexpr std::int64_t kReapJobsMax = 1'000;

class PgLeaseReaper {
 public:
  PgLeaseReaper(PgPool& pool, const PgLeader& leader) : pool_(pool), leader_(leader) {}

  // The number of leases that were taken back. Call it every second.
  Result<std::uint64_t> Reap();
  // Folds the counters of releases.
  Result<void> FoldCounters();
  // Drops what crashes and clients that went away left behind.
  Result<void> DropAbandoned();

 private:
  PgPool& pool_;
  const PgLeader& leader_;
};

}  // namespace hnx::coordinator
