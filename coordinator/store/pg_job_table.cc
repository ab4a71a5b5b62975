#include "coordinator/store/pg_job_table.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "coordinator/store/pg_elsewhere_store.h"
#include "coordinator/store/pg_host_table.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {
namespace {

std::int64_t Signed(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}

std::string_view StateAfter(NarVerdict verdict) {
  switch (verdict) {
    case NarVerdict::kMissing:
      return "missing";
    case NarVerdict::kSetAside:
      return "set_aside";
    case NarVerdict::kRetry:
    case NarVerdict::kRelease:
      break;
  }
  return "wanted";
}

std::string EventText(const NarFailureReport& failure, const NarDecision& decision,
                      const std::string& worker_name) {
  std::string text = fmt::format("worker {} could not store its NAR ({}): {}", worker_name,
                                 failure.reason, failure.message);
  if (decision.verdict == NarVerdict::kRetry || decision.verdict == NarVerdict::kRelease) {
    text += fmt::format("; again in {} ms", decision.delay.count());
  }
  return text;
}

// What the failures of one report say of the hosts that they came from.
class HostNews {
 public:
  void Note(std::int64_t upstream, const NarFailureReport& failure) {
    switch (ClassifyFailure(failure.code, failure.reason)) {
      case FailureClass::kPassing:
        ++failures_[upstream];
        break;
      case FailureClass::kThrottled:
        // With a Retry-After the pause says all.
        failures_[upstream] += failure.retry_after.count() > 0 ? 0 : 1;
        break;
      case FailureClass::kAbsent:
      case FailureClass::kWrongBytes:
        answered_.push_back(upstream);
        break;
      case FailureClass::kWorker:
        break;
    }
  }
  void Tell(PgTransaction& transaction, const FailurePolicyOptions& policy,
            std::mt19937_64& random) const {
    NoteHostAnswers(transaction, answered_, false);
    for (const auto& [upstream, count] : failures_) {
      if (count > 0) {
        NoteHostFailures(transaction, upstream, count, policy, random);
      }
    }
  }

 private:
  std::map<std::int64_t, std::uint64_t> failures_;
  std::vector<std::int64_t> answered_;
};

FailureCounts SettleFailures(PgTransaction& transaction, const WorkerReport& report,
                             const FailurePolicyOptions& policy, std::mt19937_64& random) {
  FailureCounts counts;
  std::map<std::int64_t, const NarFailureReport*> failures;
  PgArray nars;
  PgArray jobs;
  for (const JobReport& job : report.jobs) {
    for (const NarFailureReport& failure : job.failures) {
      failures.insert_or_assign(failure.nar_id, &failure);
      nars.Add(failure.nar_id);
      jobs.Add(job.job_id);
    }
  }
  if (failures.empty()) {
    return counts;
  }
  PgArray ids, files, states, attempts, delays, reasons, messages, events;
  std::map<std::int64_t, std::int64_t> pauses;  // by upstream
  HostNews hosts;
  for (const pqxx::row& row :
       transaction.Exec(sql::kFailedNars, nars.Literal(), jobs.Literal(), report.worker_id)) {
    const auto id = row["id"].as<std::int64_t>();
    const NarFailureReport& failure = *failures.at(id);
    const int attempts_before = row["attempts"].as<int>();
    std::optional<std::chrono::milliseconds> retry_after;
    if (failure.retry_after.count() > 0) {
      retry_after = failure.retry_after;
    }
    const NarDecision decision =
        DecideNarFailure(policy,
                         {.code = failure.code,
                          .reason = failure.reason,
                          .attempts_before = attempts_before,
                          .retry_after = retry_after,
                          .host_in_trouble = row["host_in_trouble"].as<bool>()},
                         random);
    hosts.Note(row["upstream_id"].as<std::int64_t>(), failure);
    const bool counted = decision.verdict != NarVerdict::kRelease;
    ids.Add(id);
    files.AddText(row["file"].as<std::string>());
    states.AddText(StateAfter(decision.verdict));
    ++counts[{ClassifyFailure(failure.code, failure.reason), StateAfter(decision.verdict)}];
    attempts.Add(static_cast<std::int64_t>(attempts_before + (counted ? 1 : 0)));
    delays.Add(static_cast<std::int64_t>(decision.delay.count()));
    reasons.AddText(failure.reason);
    messages.AddText(failure.message);
    events.AddText(EventText(failure, decision, report.worker_name));
    if (decision.pause_upstream.count() > 0) {
      auto& pause = pauses[row["upstream_id"].as<std::int64_t>()];
      pause = std::max(pause, static_cast<std::int64_t>(decision.pause_upstream.count()));
    }
  }
  transaction.Exec(sql::kSettleFailedNars, ids.Literal(), states.Literal(), attempts.Literal(),
                   delays.Literal(), reasons.Literal(), messages.Literal());
  // Its URL may hold what another narinfo claims.
  transaction.Exec(sql::kQuarantineRivals, files.Literal());
  transaction.Exec(sql::kRecordNarEvents, ids.Literal(), events.Literal());
  FailPaths(transaction, ids.Literal());
  for (const auto& [upstream, pause_ms] : pauses) {
    transaction.Exec(sql::kPauseUpstream, upstream, pause_ms);
  }
  hosts.Tell(transaction, policy, random);
  return counts;
}

struct NewLease {
  std::uint64_t bytes = 0;
  std::uint64_t nars = 0;
  std::uint64_t narinfo_bytes = 0;
};

// From the first lane that has something.
std::optional<NewLease> LeaseOne(PgTransaction& transaction, const WorkerReport& report,
                                 const JobLimits& limits, std::uint64_t capacity) {
  for (const pqxx::row& lane : transaction.Exec(sql::kLanesWithWork, Signed(report.disk_free_bytes),
                                                Signed(limits.lanes_tried_max))) {
    const auto job = transaction.MaybeRow(
        sql::kLeaseJob, report.worker_id, static_cast<std::int64_t>(limits.lease.count()),
        Signed(std::min(limits.job_bytes, capacity)), Signed(limits.job_nars_max),
        Signed(limits.job_narinfo_bytes_max), Signed(report.disk_free_bytes),
        lane["lane"].as<std::int64_t>(), lane["upstream_id"].as<std::int64_t>());
    if (job) {
      return NewLease{.bytes = (*job)["bytes"].as<std::uint64_t>(),
                      .nars = (*job)["nars"].as<std::uint64_t>(),
                      .narinfo_bytes = (*job)["narinfo_bytes"].as<std::uint64_t>()};
    }
    // Other workers hold what is left of it.
  }
  return std::nullopt;
}

}  // namespace

FailureCounts TakeJobReports(PgTransaction& transaction, const WorkerReport& report,
                             const JobLimits& limits, const FailurePolicyOptions& policy,
                             std::mt19937_64& random) {
  FailureCounts counts = SettleFailures(transaction, report, policy, random);
  PgArray listed;
  PgArray bytes_done;
  for (const JobReport& job : report.jobs) {
    listed.Add(job.job_id);
    bytes_done.Add(job.bytes_done);
  }
  transaction.Exec(sql::kRenewJobs, report.worker_id,
                   static_cast<std::int64_t>(limits.lease.count()), listed.Literal(),
                   bytes_done.Literal());
  transaction.Exec(sql::kGiveUpJobs, report.worker_id, listed.Literal());
  transaction.Exec(sql::kEndJobs, report.worker_id, listed.Literal());
  return counts;
}

std::uint64_t LeaseJobs(PgTransaction& transaction, const WorkerReport& report,
                        const JobLimits& limits) {
  std::uint64_t capacity = report.capacity_bytes;
  if (capacity == 0) {
    return 0;
  }
  const pqxx::row load = transaction.Row(sql::kWorkerLoad, report.worker_id);
  const auto jobs_before = load["jobs"].as<std::uint64_t>();
  auto narinfo_bytes = load["narinfo_bytes"].as<std::uint64_t>();
  std::uint64_t leased = 0;
  std::uint64_t nars = 0;
  while (capacity > 0 && leased < limits.jobs_per_call_max && nars < limits.call_nars_max &&
         jobs_before + leased < limits.worker_jobs_max &&
         narinfo_bytes < limits.worker_narinfo_bytes_max) {
    const auto lease = LeaseOne(transaction, report, limits, capacity);
    if (!lease) {
      break;
    }
    ++leased;
    nars += lease->nars;
    capacity -= std::min(capacity, lease->bytes);
    narinfo_bytes += lease->narinfo_bytes;
  }
  return leased;
}

std::vector<DesiredJob> JobsOfWorker(PgTransaction& transaction, const std::string& worker_id) {
  std::vector<DesiredJob> jobs;
  for (const pqxx::row& row : transaction.Exec(sql::kJobsOfWorker, worker_id)) {
    const auto job_id = row["job_id"].as<std::int64_t>();
    if (jobs.empty() || jobs.back().job_id != job_id) {
      jobs.push_back({.job_id = job_id, .attempt = row["attempt"].as<std::uint32_t>()});
    }
    jobs.back().nars.push_back(
        {.nar_id = row["nar_id"].as<std::int64_t>(),
         .url = row["url"].as<std::string>(),
         .file = row["file"].as<std::string>(),
         .compression = row["compression"].as<std::string>(),
         .nar_hash = ReadBytes(row["nar_hash"]),
         .nar_size = row["nar_size"].as<std::uint64_t>(),
         .file_hash = ReadBytes(row["file_hash"]),
         .file_size = row["file_size"].as<std::uint64_t>(),
         .nar_info = ReadBytes(row["content"]),
         .store_path = row["store_path"].is_null() ? "" : row["store_path"].as<std::string>()});
    if (!row["lost_key"].is_null()) {
      jobs.back().nars.back().lost =
          LostPlace{.shard_key = ReadBytes(row["lost_key"]),
                    .blob = {.byte_offset = row["blob_byte_offset"].as<std::uint64_t>(),
                             .block_offset = row["blob_block_offset"].as<std::uint64_t>(),
                             .block_length = row["blob_block_length"].as<std::uint64_t>(),
                             .byte_length = row["file_size"].as<std::uint64_t>()}};
    }
  }
  return jobs;
}

}  // namespace hnx::coordinator
