#include "worker/job_table.h"

#include <algorithm>
#include <set>
#include <utility>

namespace hnx::worker {

JobTable::Changes JobTable::Reconcile(std::vector<Job> wanted) {
  Changes changes;
  MutexLock lock(mutex_);
  std::set<std::uint64_t> wanted_ids;
  for (Job& job : wanted) {
    wanted_ids.insert(job.job_id);
    const auto known = jobs_.find(job.job_id);
    if (known != jobs_.end()) {
      if (IsSame(known->second, job)) {
        continue;
      }
      changes.drop.push_back({job.job_id, known->second.attempt, 0});
      jobs_.erase(known);
    }
    State state;
    state.attempt = job.attempt;
    for (const NarUnit& unit : job.units) {
      state.outstanding.emplace(unit.ref.nar_id, unit.file_size_hint);
      state.files.emplace(unit.ref.nar_id, unit.file);
    }
    for (const BadUnit& bad : job.bad_units) {
      state.failures.emplace(bad.ref.nar_id, bad.failure);
    }
    jobs_.emplace(job.job_id, std::move(state));
    changes.begin.push_back(std::move(job));
  }
  for (auto job = jobs_.begin(); job != jobs_.end();) {
    if (wanted_ids.contains(job->first)) {
      ++job;
      continue;
    }
    changes.drop.push_back({job->first, job->second.attempt, 0});
    job = jobs_.erase(job);
  }
  return changes;
}

// What is done has gone from the answer, so it may name less than the job was begun with.
bool JobTable::IsSame(const State& known, const Job& wanted) {
  return known.attempt == wanted.attempt &&
         std::all_of(wanted.units.begin(), wanted.units.end(), [&](const NarUnit& unit) {
           const auto file = known.files.find(unit.ref.nar_id);
           return file != known.files.end() && file->second == unit.file;
         });
}

JobTable::Changes JobTable::DropAll() {
  return Reconcile({});
}

std::vector<JobReport> JobTable::Report() const {
  MutexLock lock(mutex_);
  std::vector<JobReport> reports;
  reports.reserve(jobs_.size());
  for (const auto& [id, state] : jobs_) {
    JobReport report{id, state.attempt, state.bytes_done, {}};
    report.failures.assign(state.failures.begin(), state.failures.end());
    reports.push_back(std::move(report));
  }
  return reports;
}

std::uint64_t JobTable::OutstandingBytes() const {
  MutexLock lock(mutex_);
  std::uint64_t bytes = 0;
  for (const auto& [id, state] : jobs_) {
    for (const auto& [nar_id, size] : state.outstanding) {
      bytes += size;
    }
  }
  return bytes;
}

std::size_t JobTable::OutstandingUnits() const {
  MutexLock lock(mutex_);
  std::size_t units = 0;
  for (const auto& [id, state] : jobs_) {
    units += state.outstanding.size();
  }
  return units;
}

std::size_t JobTable::size() const {
  MutexLock lock(mutex_);
  return static_cast<std::size_t>(std::count_if(
      jobs_.begin(), jobs_.end(), [](const auto& job) { return !job.second.outstanding.empty(); }));
}

JobTable::State* JobTable::Find(const NarRef& nar) {
  const auto job = jobs_.find(nar.job_id);
  return job == jobs_.end() || job->second.attempt != nar.attempt ? nullptr : &job->second;
}

void JobTable::OnStored(const NarRef& nar) {
  {
    MutexLock lock(mutex_);
    State* job = Find(nar);
    if (job == nullptr || job->outstanding.erase(nar.nar_id) == 0) {
      return;
    }
  }
  changed_();
}

void JobTable::OnFailed(const NarRef& nar, NarFailure failure) {
  if (failure.message.size() > kFailureMessageBytesMax) {
    failure.message.resize(kFailureMessageBytesMax);
  }
  {
    MutexLock lock(mutex_);
    State* job = Find(nar);
    if (job == nullptr) {
      return;
    }
    job->outstanding.erase(nar.nar_id);
    job->failures.emplace(nar.nar_id, std::move(failure));
  }
  changed_();
}

void JobTable::OnProgress(std::uint64_t job_id, std::uint64_t bytes) {
  MutexLock lock(mutex_);
  const auto job = jobs_.find(job_id);
  if (job != jobs_.end()) {
    job->second.bytes_done += bytes;
  }
}

}  // namespace hnx::worker
