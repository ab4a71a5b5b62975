#include "bench/scale/simulated_worker.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/hex.h"
#include "nix/hash.h"

namespace hnx::bench {
namespace {

namespace pb = hypercore_nixos::v1;

constexpr std::size_t kIdBytes = 16;
constexpr std::size_t kKeyBytes = 32;
constexpr std::uint64_t kDiskFreeBytes = std::uint64_t{1} << 50U;

// Something that depends on the content and has the right size.
std::string TreeHash(const std::string& key, std::uint64_t length) {
  return ToString(nix::Sha256::Of(AsBytes(key + std::to_string(length))));
}

}  // namespace

SimulatedWorker::SimulatedWorker(std::uint64_t seed, std::string name)
    : random_(seed),
      name_(std::move(name)),
      id_(EncodeHex(AsBytes(RandomBytes(kIdBytes)))),
      nonce_(random_()),
      key_(RandomBytes(kKeyBytes)),
      content_key_(RandomBytes(kKeyBytes)) {}

std::string SimulatedWorker::RandomBytes(std::size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) {
    c = static_cast<char>(random_() & 0xffU);
  }
  return bytes;
}

pb::SynchronizeRequest SimulatedWorker::Report(std::uint64_t capacity_bytes) {
  pb::SynchronizeRequest request;
  request.set_worker_id(id_);
  request.set_worker_name(name_);
  request.set_incarnation(1);
  request.set_incarnation_nonce(nonce_);
  request.set_sequence(++sequence_);
  request.add_roles(pb::WORKER_ROLE_MIRROR);
  request.set_disk_free_bytes(kDiskFreeBytes);
  request.set_capacity_bytes(capacity_bytes);
  request.set_version("bench");
  request.set_lists_all_drives(true);
  for (const std::uint64_t job : jobs_) {
    request.add_jobs()->set_job_id(job);
  }
  pb::DriveState& drive = *request.add_drives();
  drive.set_kind(pb::DriveState::KIND_SHARD);
  drive.set_key(key_);
  drive.set_content_key(content_key_);
  *drive.mutable_head() = head_;
  *drive.mutable_base() = recorded_;
  drive.mutable_entries()->Assign(entries_.begin(), entries_.end());
  return request;
}

Result<void> SimulatedWorker::Take(const pb::SynchronizeResponse& response) {
  const auto drive =
      std::find_if(response.drives().begin(), response.drives().end(),
                   [this](const pb::RecordedDrive& one) { return one.key() == key_; });
  if (drive == response.drives().end() || drive->sealed() || drive->cut_tail() ||
      drive->recorded().db_length() != head_.db_length()) {
    return Error{ErrorCode::kInternal,
                 "worker " + name_ + ": its shard was not recorded as it was told"};
  }
  nars_recorded_ += entries_.size();
  recorded_ = head_;
  entries_.clear();
  std::set<std::uint64_t> jobs;
  for (const pb::Job& job : response.jobs()) {
    jobs.insert(job.job_id());
    if (!jobs_.contains(job.job_id())) {
      for (const pb::NarUnit& nar : job.nars()) {
        Store(nar);
      }
    }
  }
  jobs_ = std::move(jobs);
  return {};
}

void SimulatedWorker::Store(const pb::NarUnit& nar) {
  pb::ShardEntry entry;
  entry.set_file(nar.file());
  entry.set_nar_hash(nar.nar_hash());
  entry.set_nar_size(nar.nar_size());
  entry.set_file_hash(nar.file_hash());
  pb::BlobId& blob = *entry.mutable_blob();
  blob.set_byte_offset(head_.content_byte_length());
  blob.set_block_offset(head_.content_length());
  blob.set_block_length(1);
  blob.set_byte_length(nar.file_size());
  head_.set_content_length(head_.content_length() + 1);
  head_.set_content_byte_length(head_.content_byte_length() + nar.file_size());
  head_.set_content_tree_hash(TreeHash(content_key_, head_.content_length()));
  head_.set_db_length(head_.db_length() + 1);
  head_.set_db_tree_hash(TreeHash(key_, head_.db_length()));
  entries_.push_back(std::move(entry));
}

}  // namespace hnx::bench
