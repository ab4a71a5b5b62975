#include "worker/sync/synchronizer.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "base/crash_point.h"
#include "base/log.h"
#include "worker/sync/messages.h"

namespace hnx::worker {
namespace {

using std::chrono::milliseconds;

// Below this there is no room for the next large NAR's beginning.
constexpr std::uint64_t kDiskFreeMin = std::uint64_t{64} << 20;

std::optional<hyper::DriveHead> HeadOf(const pb::DriveHead& message) {
  auto head = FromMessage(message);
  if (!head.has_value()) {
    Log("synchronize")->error("the answer holds a bad drive head: {}", head.error().message);
    return std::nullopt;
  }
  return *head;
}

}  // namespace

Synchronizer::Synchronizer(SynchronizerOptions options, SynchronizerParts parts, const Clock& clock)
    : LoopService("hnx-sync"),
      options_(std::move(options)),
      parts_(std::move(parts)),
      clock_(clock) {}

Synchronizer::~Synchronizer() {
  LoopService::Stop();
}

milliseconds Synchronizer::RunOnce() {
  if (ended_) {
    return kSynchronizeIntervalMax;
  }
  const auto now = clock_.Steady();
  if (last_call_ && now - *last_call_ < kSynchronizeIntervalMin) {
    return kSynchronizeIntervalMin;
  }
  last_call_ = now;
  if (const Result<void> there = parts_.data.CheckThere(); !there.has_value()) {
    ended_ = true;
    parts_.on_end(EndReason::kRefused, there.error().message);
    return kSynchronizeIntervalMax;
  }
  const Result<Response> response = Call(false);
  if (!response.has_value()) {
    return OnError(response.error());
  }
  failures_ = 0;
  Carry(*response, now);
  if (AnythingUnrecorded() && next_call_ > kSynchronizeIntervalMin * 4) {
    return kSynchronizeIntervalMin * 4;
  }
  return next_call_;
}

Result<pb::SynchronizeResponse> Synchronizer::Call(bool draining) {
  const Request request = MakeRequest(draining);
  CrashPoint("worker.before_report");
  auto response = parts_.coordinator.Synchronize(request);
  parts_.metrics.CountSynchronize(response.has_value());
  return response;
}

milliseconds Synchronizer::OnError(const Error& error) {
  if (error.code == ErrorCode::kAborted || error.code == ErrorCode::kFailedPrecondition ||
      error.code == ErrorCode::kUnauthenticated || error.code == ErrorCode::kPermissionDenied) {
    ended_ = true;
    const bool superseded = error.code == ErrorCode::kAborted;
    parts_.on_end(superseded ? EndReason::kSuperseded : EndReason::kRefused, error.message);
    return kSynchronizeIntervalMax;
  }
  ++failures_;
  if (failures_ == 1) {
    Log("synchronize")
        ->warn("{}; leased work goes on, the coordinator is asked again", error.message);
  }
  if (lease_end_ && clock_.Steady() >= *lease_end_) {
    lease_end_.reset();
    const auto changes = parts_.jobs.DropAll();
    for (const NarRef& job : changes.drop) {
      parts_.pipeline.Drop(job.job_id, job.attempt);
    }
    if (!changes.drop.empty()) {
      Log("synchronize")->warn("the lease ended: {} jobs are given up", changes.drop.size());
    }
  }
  RetryPolicy policy;
  policy.base = milliseconds(200);
  policy.cap = milliseconds(3000);
  milliseconds delay = policy.Delay(failures_, random_);
  if (lease_end_) {
    const auto left = std::chrono::ceil<milliseconds>(*lease_end_ - clock_.Steady());
    delay = std::clamp(left, kSynchronizeIntervalMin, delay);
  }
  return delay;
}

pb::SynchronizeRequest Synchronizer::MakeRequest(bool draining) {
  Request request;
  request.set_worker_id(parts_.data.worker_id());
  request.set_worker_name(CleanText(options_.name));
  request.set_incarnation(parts_.data.incarnation());
  request.set_incarnation_nonce(parts_.data.nonce());
  request.set_sequence(++sequence_);
  request.set_version(options_.version);
  request.set_draining(draining);
  if (options_.role_mirror) {
    request.add_roles(pb::WORKER_ROLE_MIRROR);
  }
  if (parts_.index != nullptr) {
    request.add_roles(pb::WORKER_ROLE_INDEX);
  }
  // Jobs before drives: whatever a job calls stored is then among the entries.
  if (!draining) {
    for (const JobReport& report : parts_.jobs.Report()) {
      ToMessage(report, request.add_jobs());
    }
  }
  for (const HostUse& use : parts_.limits.Use()) {
    ToMessage(use, request.add_hosts());
  }
  AddDrives(&request);
  request.set_scrubs_nothing(!options_.scrubs);
  AddCopies(&request);
  const auto free = parts_.disk.FreeBytes();
  request.set_disk_free_bytes(free.value_or(0));
  request.set_capacity_bytes(draining ? 0 : CapacityBytes(free.value_or(0)));
  request.set_disk_full(disk_full_);
  return request;
}

void Synchronizer::AddDrives(Request* request) {
  asked_.clear();
  request->set_lists_all_drives(true);
  for (const ShardWriter* shard : parts_.shards.All()) {
    const ShardState state = shard->State();
    if (!state.key) {
      if (state.unread) {
        request->add_unread_drives(ToString(state.unread->bytes()));
      }
      continue;
    }
    pb::DriveState* drive = request->add_drives();
    drive->set_kind(pb::DriveState::KIND_SHARD);
    drive->set_key(ToString(state.key->bytes()));
    drive->set_content_key(ToString(state.content_key->bytes()));
    ToMessage(state.head, drive->mutable_head());
    if (state.base && state.standing != ShardLedger::Standing::kNeedsTail) {
      ToMessage(*state.base, drive->mutable_base());
      for (const ShardEntry& entry : state.entries) {
        ToMessage(entry, drive->add_entries());
      }
    }
    for (const std::uint64_t block : state.cleared) {
      drive->add_cleared(block);
    }
    asked_.insert(drive->key());
  }
  if (parts_.index != nullptr) {
    const IndexState state = parts_.index->State();
    pb::DriveState* drive = request->add_drives();
    ToMessage(state, drive);
    if (parts_.heads != nullptr) {
      const DriveHeads::Held held = parts_.heads->Acknowledged(state.key, state.content_key);
      drive->mutable_index()->set_acknowledged_db_length(held.db_length);
      drive->mutable_index()->set_acknowledged_content_length(held.content_length);
    }
  }
}

void Synchronizer::AddCopies(Request* request) {
  request->set_failure_domain(CleanText(options_.failure_domain));
  request->set_peer_address(CleanText(options_.peer_address));
  if (parts_.copies == nullptr) {
    return;
  }
  for (const HeldCopy& held : parts_.copies->Held()) {
    pb::CopyState* copy = request->add_copies();
    copy->set_key(ToString(held.key.bytes()));
    copy->set_version(held.version);
    copy->set_content_length(held.content_length);
    copy->set_bytes(held.bytes_on_disk);
  }
}

void Synchronizer::ApplyCopies(const Response& response) {
  if (parts_.copies == nullptr) {
    return;
  }
  std::vector<WantedCopy> wanted;
  for (const pb::Copy& copy : response.copies()) {
    const auto key = hyper::DriveKey::FromBytes(AsBytes(copy.key()));
    if (!key.has_value()) {
      Log("synchronize")->error("the answer names a copy: {}", key.error().message);
      continue;
    }
    wanted.push_back({.key = *key,
                      .version = copy.version(),
                      .bytes = copy.bytes(),
                      .peers = {copy.peers().begin(), copy.peers().end()},
                      .content_end = copy.content_end()});
  }
  parts_.copies->Want(wanted);
}

std::uint64_t Synchronizer::CapacityBytes(std::uint64_t disk_free) {
  const std::uint64_t outstanding = parts_.jobs.OutstandingBytes();
  const std::uint64_t spoken_for =
      outstanding + (parts_.copies == nullptr ? std::uint64_t{0} : parts_.copies->MissingBytes());
  const bool full = disk_free < kDiskFreeMin || disk_free <= spoken_for;
  if (full != disk_full_) {
    disk_full_ = full;
    if (full) {
      Log("disk")->error(
          "no room for further NARs ({} bytes free beyond the reserve); no work is taken until "
          "there is: free some, or lower --disk-reserve",
          disk_free);
    } else {
      Log("disk")->info("there is room again; work goes on");
    }
  }
  // A drive of ours that waits for the coordinator's word could hold what we would fetch again.
  const auto shards = parts_.shards.All();
  const bool unconfirmed = !std::all_of(shards.begin(), shards.end(),
                                        [](const auto* shard) { return shard->Confirmed(); });
  if (full || unconfirmed || drained_ || !options_.role_mirror ||
      outstanding >= options_.backlog_bytes) {
    return 0;
  }
  return std::min(options_.backlog_bytes - outstanding, disk_free - spoken_for);
}

void Synchronizer::Carry(const Response& response, Clock::SteadyTime sent) {
  lease_end_ = sent + milliseconds(response.lease_ms());
  next_call_ = response.next_call_ms() == 0
                   ? kSynchronizeIntervalMax
                   : std::clamp(milliseconds(response.next_call_ms()), kSynchronizeIntervalMin,
                                kSynchronizeIntervalMax);
  parts_.set_download_rate(response.download_rate_max());
  // Before the jobs: a host's limit is there before the first fetch from it.
  const std::vector<HostLimit> limits = LimitsFromMessage(response);
  parts_.limits.Apply(limits, sent);
  if (std::exchange(drained_, response.drain()) != response.drain()) {
    Log("synchronize")
        ->info(response.drain() ? "drained by an operator: no more work is taken; what is leased "
                                  "is finished, the drives are served as before"
                                : "not drained any more: work is taken again");
  }
  ApplyDrives(response);
  ApplyCopies(response);
  ApplyJobs(response);
  parts_.limits.UnlimitOthers(limits);
}

void Synchronizer::ApplyJobs(const Response& response) {
  JobTable::Changes changes = parts_.jobs.Reconcile(JobsFromMessage(response));
  for (const NarRef& job : changes.drop) {
    parts_.pipeline.Drop(job.job_id, job.attempt);
  }
  for (Job& job : changes.begin) {
    parts_.pipeline.Begin(std::move(job.units));
  }
}

namespace {

std::vector<hyper::BlobId> BlobsOf(const google::protobuf::RepeatedPtrField<pb::BlobId>& messages) {
  std::vector<hyper::BlobId> blobs;
  for (const pb::BlobId& message : messages) {
    hyper::BlobId blob;
    blob.byte_offset = message.byte_offset();
    blob.block_offset = message.block_offset();
    blob.block_length = message.block_length();
    blob.byte_length = message.byte_length();
    blobs.push_back(blob);
  }
  return blobs;
}

}  // namespace

void Synchronizer::ApplyDrives(const Response& response) {
  std::map<std::string, const pb::RecordedDrive*> recorded;
  for (const pb::RecordedDrive& drive : response.drives()) {
    recorded.emplace(drive.key(), &drive);
  }
  for (ShardWriter* shard : parts_.shards.All()) {
    const ShardState state = shard->State();
    if (!state.key) {
      continue;
    }
    const std::string key = ToString(state.key->bytes());
    const auto found = recorded.find(key);
    if (found == recorded.end()) {
      if (asked_.contains(key)) {
        shard->Refuse("the coordinator has no record of it, or another worker wrote it");
      }
      continue;
    }
    const auto head = HeadOf(found->second->recorded());
    if (head) {
      shard->Apply({*head,
                    found->second->cut_tail(),
                    found->second->sealed(),
                    {found->second->drop_files().begin(), found->second->drop_files().end()},
                    {found->second->delete_files().begin(), found->second->delete_files().end()},
                    BlobsOf(found->second->clear_blobs())});
      if (parts_.heads != nullptr) {
        parts_.heads->Recorded(*state.key, *head);
      }
    }
  }
  if (parts_.index != nullptr) {
    const auto found = recorded.find(ToString(parts_.index->State().key.bytes()));
    ApplyIndex(response, found == recorded.end() ? nullptr : found->second);
  }
}

void Synchronizer::ApplyIndex(const Response& response, const pb::RecordedDrive* recorded) {
  if (recorded == nullptr) {
    return;
  }
  const auto head = HeadOf(recorded->recorded());
  std::optional<IndexPublisher::Task> task;
  if (response.has_publish()) {
    const auto base = HeadOf(response.publish().base());
    if (base) {
      task = IndexPublisher::Task{response.publish().batch(), *base, response.publish().plan()};
    }
  }
  if (head) {
    parts_.index->Apply(*head, recorded->cut_tail(), task);
    if (parts_.heads != nullptr) {
      parts_.heads->Recorded(parts_.index->State().key, *head);
    }
  }
}

// Something durable that the next call could report, and this one could not.
bool Synchronizer::AnythingUnrecorded() const {
  const auto shards = parts_.shards.All();
  return std::any_of(shards.begin(), shards.end(),
                     [](const ShardWriter* shard) { return !shard->State().entries.empty(); });
}

void Synchronizer::Leave(milliseconds time_max) {
  const auto deadline = clock_.Steady() + time_max;
  while (!ended_ && clock_.Steady() < deadline) {
    const auto sent = clock_.Steady();
    const Result<Response> response = Call(true);
    if (!response.has_value()) {
      Log("synchronize")
          ->warn("{}; what is not reported yet will be at the next start",
                 response.error().message);
      return;
    }
    lease_end_ = sent;
    ApplyDrives(*response);
    if (!AnythingUnrecorded()) {
      return;
    }
    MutexLock lock(leave_mutex_);
    leave_pause_.WaitFor(leave_mutex_, kSynchronizeIntervalMin * 4);
  }
}

}  // namespace hnx::worker
