// JobTable: leases. A job is a lease of one worker on some NARs; it is renewed by each call that
// lists it, given up by one that does not, and expires by the database's clock. Used inside a
// transaction.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

#include "coordinator/domain/failure_policy.h"
#include "coordinator/domain/worker_report.h"
#include "coordinator/store/pg_transaction.h"

namespace hnx::coordinator {

struct JobLimits {
  // A worker that died is missed after this, one look of the reaper and one call of another worker:
  // within 15 s.
  std::chrono::milliseconds lease{12'000};
  std::uint64_t job_bytes = std::uint64_t{64} << 20;
  std::uint64_t job_nars_max = 256;
  // After so many a call leases no further job: what it leases the next call records, and the calls
  // of many workers have to come round within a lease.
  std::uint64_t call_nars_max = 256;
  // Of one job, and of all jobs of a worker: they travel in every answer.
  std::uint64_t job_narinfo_bytes_max = std::uint64_t{2} << 20;
  std::uint64_t worker_narinfo_bytes_max = std::uint64_t{4} << 20;
  std::uint64_t worker_jobs_max = 16;
  std::uint64_t jobs_per_call_max = 4;
  // Lanes that are tried for one job, when others are just taking what they hold.
  std::uint64_t lanes_tried_max = 64;
};

// How many failures of a class ended how: "missing", "set_aside", or "wanted" again.
using FailureCounts = std::map<std::pair<FailureClass, std::string_view>, std::uint64_t>;

// What the worker says of its jobs: failures are settled, leases renewed, unlisted jobs given up,
// finished ones ended. The failures that counted.
FailureCounts TakeJobReports(PgTransaction& transaction, const WorkerReport& report,
                             const JobLimits& limits, const FailurePolicyOptions& policy,
                             std::mt19937_64& random);

// New leases within capacity and limits; how many jobs.
std::uint64_t LeaseJobs(PgTransaction& transaction, const WorkerReport& report,
                        const JobLimits& limits);

// Everything that the worker should be running.
std::vector<DesiredJob> JobsOfWorker(PgTransaction& transaction, const std::string& worker_id);

}  // namespace hnx::coordinator
