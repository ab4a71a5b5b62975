// JobTable: the leased jobs and the verdicts on their NARs. A verdict stays until the job has gone
// from the coordinator's answer, so a lost message loses nothing. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "worker/nar_unit.h"

namespace hnx::worker {

inline constexpr std::size_t kFailureMessageBytesMax = 2000;

struct JobReport {
  std::uint64_t job_id = 0;
  std::uint32_t attempt = 0;
  std::uint64_t bytes_done = 0;
  std::vector<std::pair<std::uint64_t, NarFailure>> failures;  // by nar_id
};

class JobTable final : public NarOutcomes {
 public:
  // `changed` is called, without a lock, when there is something new to report.
  explicit JobTable(std::function<void()> changed) : changed_(std::move(changed)) {}

  struct Changes {
    std::vector<Job> begin;
    std::vector<NarRef> drop;  // job_id and attempt; nar_id is 0
  };
  // Makes the table what the answer says. The same job with another attempt is dropped and begun,
  // and so is one of the same number with other NARs: a database that lost its last commits gives
  // numbers away again.
  Changes Reconcile(std::vector<Job> wanted) HNX_EXCLUDES(mutex_);
  // The lease ended, or the worker drains: everything is dropped.
  Changes DropAll() HNX_EXCLUDES(mutex_);

  std::vector<JobReport> Report() const HNX_EXCLUDES(mutex_);
  // Bytes (by the hints) of units without a verdict.
  std::uint64_t OutstandingBytes() const HNX_EXCLUDES(mutex_);
  std::size_t OutstandingUnits() const HNX_EXCLUDES(mutex_);
  // Jobs with a unit without verdict.
  std::size_t size() const HNX_EXCLUDES(mutex_);

  void OnStored(const NarRef& nar) override HNX_EXCLUDES(mutex_);
  // Also for a NAR that was stored and then lost before the coordinator recorded it.
  void OnFailed(const NarRef& nar, NarFailure failure) override HNX_EXCLUDES(mutex_);
  void OnProgress(std::uint64_t job_id, std::uint64_t bytes) override HNX_EXCLUDES(mutex_);

 private:
  struct State {
    std::uint32_t attempt = 0;
    std::uint64_t bytes_done = 0;
    std::map<std::uint64_t, std::uint64_t> outstanding;  // nar_id -> bytes by the hint
    std::map<std::uint64_t, NarFailure> failures;
    std::map<std::uint64_t, std::string> files;  // nar_id -> file, of all that it was begun with
  };
  static bool IsSame(const State& known, const Job& wanted);
  // nullptr: no such job in this attempt.
  State* Find(const NarRef& nar) HNX_REQUIRES(mutex_);

  const std::function<void()> changed_;
  mutable Mutex mutex_;
  std::map<std::uint64_t, State> jobs_ HNX_GUARDED_BY(mutex_);
};

}  // namespace hnx::worker
