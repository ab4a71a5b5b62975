// FakeWorker, of store_rig.h.
#include <algorithm>
#include <numeric>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/check.h"
#include "store_rig.h"

namespace hnx::test {

using namespace coordinator;  // NOLINT(google-build-using-namespace): the tests' subject

namespace {

constexpr std::uint64_t kRoom = std::uint64_t{1} << 40;

}  // namespace

FakeWorker::FakeWorker(StoreRig& rig, int number, const FakeUpstream& upstream)
    : nonce(static_cast<std::uint64_t>(number) * 1000 + 1),
      key(Digest(fmt::format("shard of {}", number))),
      rig_(rig),
      number_(number),
      upstream_(upstream) {}

WorkerReport FakeWorker::Report() {
  WorkerReport report{.worker_id = fmt::format("{:032x}", number_),
                      .worker_name = fmt::format("worker {}", number_),
                      .incarnation = incarnation,
                      .nonce = nonce,
                      .sequence = ++sequence,
                      .mirrors = true,
                      .lists_all_drives = true,
                      .disk_free_bytes = kRoom,
                      .capacity_bytes = jobs_.size() < 3 ? 1000u : 0u,
                      .jobs = {},
                      .drives = {},
                      .version = "1",
                      .unread_drives = {},
                      .failure_domain = failure_domain,
                      .peer_address = peer_address,
                      .copies = copies};
  for (const auto& [id, held] : jobs_) {
    report.jobs.push_back({.job_id = id, .attempt = held.job.attempt, .failures = held.failures});
  }
  if (!shows_shard) {
    return report;
  }
  DriveReport drive{
      .key = key, .content_key = Digest(AsText(key)), .head = head, .base = base, .entries = {}};
  for (const auto& [entry, after] : log_) {
    if (base && after.db_length > base->db_length) {
      drive.entries.push_back(entry);
    }
  }
  drive.cleared = to_report_cleared_;
  report.drives.push_back(std::move(drive));
  return report;
}

Result<DesiredState> FakeWorker::Call(bool lose_answer) {
  auto desired = rig_.synchronizer->Synchronize(Report());
  if (desired.has_value() && !lose_answer) {
    Obey(*desired);
  }
  return desired;
}

void FakeWorker::Obey(const DesiredState& desired) {
  has_answer = true;
  std::map<std::int64_t, HeldJob> jobs;
  for (const DesiredJob& job : desired.jobs) {
    auto found = jobs_.find(job.job_id);
    jobs[job.job_id] =
        found == jobs_.end() ? HeldJob{.job = job, .failures = {}, .done = {}} : found->second;
  }
  jobs_ = std::move(jobs);
  ASSERT_EQ(desired.drives.size(), shows_shard ? 1U : 0U);
  if (desired.drives.empty()) {
    return;
  }
  base = desired.drives[0].recorded;
  sealed = desired.drives[0].sealed;
  ASSERT_FALSE(desired.drives[0].cut_tail);
  for (const std::string& file : desired.drives[0].drop_files) {
    ShardEntry gone;
    gone.file = file;
    gone.deleted = true;
    head = Grow(head, "-" + file, 0);
    log_.emplace_back(gone, head);
    files_.erase(file);
  }
  ObeyRetirement(desired.drives[0]);
}

void FakeWorker::ObeyRetirement(const DesiredDrive& drive) {
  for (const std::string& file : drive.delete_files) {
    const auto unrecorded = std::find_if(log_.begin(), log_.end(), [&](const auto& item) {
      return item.first.file == file && !item.first.deleted &&
             item.second.db_length > base->db_length;
    });
    if (unrecorded != log_.end()) {
      continue;  // it was put again since
    }
    ShardEntry gone;
    gone.file = file;
    gone.deleted = true;
    head = Grow(head, "-" + file, 0);
    log_.emplace_back(gone, head);
    files_.erase(file);
  }
  to_report_cleared_.clear();
  for (const BlobPlace& blob : drive.clear_blobs) {
    for (const auto& [file, entry] : files_) {
      ASSERT_NE(entry.blob.block_offset, blob.block_offset) << file << " has an entry still";
    }
    cleared_.insert(blob.block_offset);
    to_report_cleared_.push_back(blob.block_offset);
  }
}

int FakeWorker::appended(const std::string& file) const {
  return static_cast<int>(std::count_if(log_.begin(), log_.end(), [&](const auto& item) {
    return item.first.file == file && !item.first.deleted;
  }));
}

std::uint64_t FakeWorker::bytes_on_disk() const {
  std::uint64_t bytes = 0;
  for (const auto& [entry, after] : log_) {
    if (!entry.deleted && !cleared_.contains(entry.blob.block_offset)) {
      bytes += entry.blob.byte_length;
    }
  }
  return bytes;
}

void FakeWorker::Work(int nars) {
  if (!has_answer || sealed) {
    return;
  }
  for (auto& [id, held] : jobs_) {
    for (const NarUnit& nar : held.job.nars) {
      if (nars == 0) {
        return;
      }
      if (!held.done.insert(nar.nar_id).second) {
        continue;
      }
      --nars;
      const int number = std::stoi(nar.file.substr(0, 52));
      const FakePath& fake = upstream_[static_cast<std::size_t>(number)];
      static std::map<std::pair<std::string, int>, int> attempts;
      if (attempts[{rig_.uri, number}]++ < fake.nar_failures) {
        held.failures.push_back({.nar_id = nar.nar_id,
                                 .reason = "made-up",
                                 .message = "the test says so",
                                 .code = fake.nar_failure});
      } else {
        Append(nar);
      }
    }
  }
}

void FakeWorker::WorkOff() {
  constexpr int kCalls = 12;
  constexpr int kNars = 100;
  for (int i = 0; i < kCalls; ++i) {
    ASSERT_TRUE(Call().has_value());
    Work(kNars);
  }
}

std::set<int> FakeWorker::Waiting() const {
  std::set<int> waiting;
  for (const auto& [id, held] : jobs_) {
    for (const NarUnit& nar : held.job.nars) {
      if (!held.done.contains(nar.nar_id)) {
        waiting.insert(std::stoi(nar.file.substr(0, 52)));
      }
    }
  }
  return waiting;
}

void FakeWorker::Append(const NarUnit& nar) {
  const ShardEntry entry{.file = nar.file,
                         .blob = {.byte_offset = head.content_byte_length,
                                  .block_offset = head.content_length,
                                  .block_length = 1,
                                  .byte_length = nar.file_size},
                         .nar_hash = nar.nar_hash,
                         .nar_size = nar.nar_size};
  head = Grow(head, nar.file, nar.file_size);
  log_.emplace_back(entry, head);
  files_[nar.file] = entry;
}

void FakeWorker::Restart() {
  ++incarnation;
  nonce += 17;
  sequence = 0;
  base.reset();
  jobs_.clear();
  has_answer = false;
}

void FakeWorker::LoseDisk() {
  Restart();
  key = Digest(fmt::format("shard of {} after {}", number_, incarnation));
  head = {};
  base = DriveHead{};  // this process makes it
  sealed = false;
  files_.clear();
  log_.clear();
}

}  // namespace hnx::test
