// PgSynchronizer: one call of a worker, recorded and answered. Two short transactions: what the
// worker says is taken down whole or not at all; then it is told what to do. A repeated or older
// message is answered and changes nothing. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <utility>

#include "base/mutex.h"
#include "base/result.h"
#include "coordinator/domain/failure_policy.h"
#include "coordinator/domain/worker_report.h"
#include "coordinator/store/pg_job_table.h"
#include "coordinator/store/pg_pool.h"

namespace hnx::coordinator {

// What one call of a worker brought about, for whoever counts.
struct SynchronizeNews {
  std::uint64_t jobs_leased = 0;
  FailureCounts failures;
};

class PgSynchronizer {
 public:
  // `pool` must outlive this object.
  // `host_limits`: of the whole cluster at each upstream host.
  PgSynchronizer(PgPool& pool, JobLimits limits, FailurePolicyOptions policy, std::uint64_t seed,
                 HostLimits host_limits = {});

  // kAborted, kFailedPrecondition: as the protocol says. kUnavailable: nothing may have happened;
  // the worker repeats its state with the next call.
  Result<DesiredState> Synchronize(const WorkerReport& report);
  // `tell` is called with what is committed, by any thread. Before the first Synchronize.
  void OnNews(std::function<void(const SynchronizeNews&)> tell) { tell_ = std::move(tell); }

 private:
  struct Recorded {
    bool current = false;
    std::vector<DesiredDrive> drives;
    std::optional<DesiredPublish> publish_after;  // the index's batch and head
    FailureCounts failures;
  };
  Result<Recorded> Record(const WorkerReport& report);
  Result<DesiredState> Answer(const WorkerReport& report, Recorded recorded);
  std::mt19937_64 MakeRandom() HNX_EXCLUDES(mutex_);

  PgPool& pool_;
  const JobLimits limits_;
  const FailurePolicyOptions policy_;
  const HostLimits host_limits_;
  std::function<void(const SynchronizeNews&)> tell_ = [](const SynchronizeNews&) {};
  Mutex mutex_;
  std::mt19937_64 random_ HNX_GUARDED_BY(mutex_);
};

}  // namespace hnx::coordinator
