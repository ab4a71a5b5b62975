#include "coordinator/store/pg_synchronizer.h"

#include <utility>

#include "base/crash_point.h"
#include "coordinator/store/pg_drive_table.h"
#include "coordinator/store/pg_host_table.h"
#include "coordinator/store/pg_index_table.h"
#include "coordinator/store/pg_shard_copies.h"
#include "coordinator/store/pg_shard_losses.h"
#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/pg_worker_table.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {

PgSynchronizer::PgSynchronizer(PgPool& pool, JobLimits limits, FailurePolicyOptions policy,
                               std::uint64_t seed, HostLimits host_limits)
    : pool_(pool), limits_(limits), policy_(policy), host_limits_(host_limits), random_(seed) {}

std::mt19937_64 PgSynchronizer::MakeRandom() {
  MutexLock lock(mutex_);
  return std::mt19937_64(random_());
}

Result<DesiredState> PgSynchronizer::Synchronize(const WorkerReport& report) {
  HNX_ASSIGN_OR_RETURN(Recorded recorded, Record(report));
  return Answer(report, std::move(recorded));
}

Result<PgSynchronizer::Recorded> PgSynchronizer::Record(const WorkerReport& report) {
  std::mt19937_64 random = MakeRandom();
  auto outcome = RunTransaction(
      pool_, "record what worker " + report.worker_name + " says",
      [&](PgTransaction& transaction) -> Result<Recorded> {
        LookRowsUp(transaction);
        Recorded recorded;
        HNX_ASSIGN_OR_RETURN(const WorkerCall call, FenceWorker(transaction, report));
        recorded.current = call == WorkerCall::kCurrent;
        DriveTable drives(transaction, report, recorded.current);
        for (const DriveReport& drive : report.drives) {
          if (drive.is_index) {
            HNX_ASSIGN_OR_RETURN(IndexTable::Answer index,
                                 IndexTable(transaction, report, recorded.current).Drive(drive));
            if (!index.hold) {
              recorded.publish_after =
                  DesiredPublish{.batch = index.batch, .base = index.drive.recorded};
            }
            recorded.drives.push_back(std::move(index.drive));
          } else {
            HNX_ASSIGN_OR_RETURN(auto shard, drives.Shard(drive));
            if (shard) {
              recorded.drives.push_back(*std::move(shard));
            }
          }
        }
        if (recorded.current) {
          LoseUnlistedShards(transaction, report);
          RecordCopies(transaction, report);
          recorded.failures = TakeJobReports(transaction, report, limits_, policy_, random);
        }
        CrashPoint("coordinator.before_record");
        return recorded;
      });
  if (outcome.has_value()) {
    CrashPoint("coordinator.after_record");
    tell_({.jobs_leased = 0, .failures = std::move(outcome->failures)});
  }
  return outcome;
}

Result<DesiredState> PgSynchronizer::Answer(const WorkerReport& report, Recorded recorded) {
  std::uint64_t jobs_leased = 0;
  auto outcome = RunTransaction(
      pool_, "find work for worker " + report.worker_name,
      [&](PgTransaction& transaction) -> Result<DesiredState> {
        LookRowsUp(transaction);
        jobs_leased = 0;
        DesiredState desired;
        const WorkerStanding standing = StandingOf(transaction, report);
        desired.drain = standing.drain;
        if (recorded.current && report.mirrors && !report.draining && standing.gets_work()) {
          jobs_leased = LeaseJobs(transaction, report, limits_);
        }
        desired.jobs = JobsOfWorker(transaction, report.worker_id);
        desired.hosts =
            recorded.current
                ? ClaimShares(transaction, report.worker_id, report.hosts, host_limits_)
                : RepeatShares(transaction, report.worker_id, report.hosts, host_limits_);
        if (recorded.publish_after && report.indexes) {
          const auto next = transaction.MaybeRow(
              sql::kNextPublish, static_cast<std::int64_t>(recorded.publish_after->batch));
          if (next) {
            desired.publish = DesiredPublish{.batch = recorded.publish_after->batch + 1,
                                             .base = recorded.publish_after->base,
                                             .plan = (*next)["plan"].as<std::uint64_t>()};
          }
        }
        desired.copies = CopiesOfWorker(transaction, report.worker_id);
        const pqxx::row index = transaction.Row(sql::kIndexKey);
        if (!index[0].is_null()) {
          desired.index_key = ReadBytes(index[0]);
        }
        desired.idle = !transaction.Row(sql::kAnyOpenRelease)[0].as<bool>();
        return desired;
      });
  if (outcome.has_value()) {
    outcome->drives = std::move(recorded.drives);
    tell_({.jobs_leased = jobs_leased, .failures = {}});
  }
  return outcome;
}

}  // namespace hnx::coordinator
