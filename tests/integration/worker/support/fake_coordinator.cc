#include "fake_coordinator.h"

#include <algorithm>

namespace hnx::test {
namespace {

bool Same(const pb::DriveHead& a, const pb::DriveHead& b) {
  return a.SerializeAsString() == b.SerializeAsString();
}

bool HasVerdict(const FakeCoordinator::State& state, const pb::NarUnit& unit) {
  const auto found = state.entries.find(unit.file());
  return state.failures.contains(unit.nar_id()) ||
         (found != state.entries.end() && !found->second.empty());
}

}  // namespace

FakeCoordinator::FakeCoordinator() : server_(*rpc::Server::Start("127.0.0.1:0", {this})) {}

FakeCoordinator::~FakeCoordinator() {
  server_->Stop(std::chrono::milliseconds(100));
}

void FakeCoordinator::With(const std::function<void(State&)>& change) {
  MutexLock lock(mutex_);
  change(state_);
}

std::uint64_t FakeCoordinator::AddJob(std::vector<pb::NarUnit> units) {
  pb::Job job;
  job.set_job_id(next_job_++);
  job.set_attempt(1);
  for (auto& unit : units) {
    *job.add_nars() = std::move(unit);
  }
  MutexLock lock(mutex_);
  for (const auto& unit : job.nars()) {
    state_.units[unit.file()] = unit;
  }
  state_.jobs.push_back(job);
  return job.job_id();
}

bool FakeCoordinator::RunJob(std::vector<pb::NarUnit> units) {
  AddJob(std::move(units));
  return AllVerdicts();
}

bool FakeCoordinator::AllVerdicts() {
  return WaitFor([](const State& state) { return state.jobs.empty(); });
}

bool FakeCoordinator::WaitFor(const std::function<bool(const State&)>& done,
                              std::chrono::milliseconds time_max) {
  const auto deadline = std::chrono::steady_clock::now() + time_max;
  MutexLock lock(mutex_);
  while (!done(state_)) {
    if (std::chrono::steady_clock::now() >= deadline) {
      return false;
    }
    changed_.WaitFor(mutex_, std::chrono::milliseconds(100));
  }
  return true;
}

std::size_t FakeCoordinator::Copies(const std::string& file) {
  MutexLock lock(mutex_);
  const auto found = state_.entries.find(file);
  return found == state_.entries.end() ? 0 : found->second.size();
}

pb::NarFailure FakeCoordinator::FailureOf(std::uint64_t nar_id) {
  MutexLock lock(mutex_);
  return state_.failures[nar_id];
}

grpc::Status FakeCoordinator::Synchronize(grpc::ServerContext* /*context*/,
                                          const pb::SynchronizeRequest* request,
                                          pb::SynchronizeResponse* response) {
  MutexLock lock(mutex_);
  if (state_.down) {
    return {grpc::StatusCode::UNAVAILABLE, "down on purpose"};
  }
  if (request->incarnation() < state_.incarnation ||
      (request->incarnation() == state_.incarnation &&
       request->incarnation_nonce() != state_.nonce)) {
    return {grpc::StatusCode::ABORTED, "a newer incarnation exists"};
  }
  state_.incarnation = request->incarnation();
  state_.nonce = request->incarnation_nonce();
  state_.last_request = *request;
  state_.drained = state_.drained || request->draining();
  ++state_.calls;
  for (const auto& drive : request->drives()) {
    Record(drive);
  }
  for (const auto& job : request->jobs()) {
    for (const auto& failure : job.failures()) {
      state_.failures[failure.nar_id()] = failure;
    }
  }
  std::erase_if(state_.jobs, [&](const pb::Job& job) {
    return std::all_of(job.nars().begin(), job.nars().end(),
                       [&](const auto& unit) HNX_NO_THREAD_SAFETY_ANALYSIS {
                         return HasVerdict(state_, unit);  // called with the lock held
                       });
  });
  Answer(*request, response);
  changed_.NotifyAll();
  if (state_.answers_to_lose > 0) {
    --state_.answers_to_lose;
    return {grpc::StatusCode::UNAVAILABLE, "the answer is lost on purpose"};
  }
  return grpc::Status::OK;
}

void FakeCoordinator::Record(const pb::DriveState& state) {
  Drive& drive = state_.drives[state.key()];
  drive.kind = state.kind();
  for (const std::uint64_t block : state.cleared()) {
    std::erase_if(drive.clear_blobs,
                  [&](const pb::BlobId& blob) { return blob.block_offset() == block; });
  }
  if (!state.has_base() || !Same(state.base(), drive.recorded) || !state_.accept) {
    return;
  }
  if (state.kind() == pb::DriveState::KIND_INDEX &&
      state.publish_batch() <= state_.batches_accepted) {
    return;  // it moves batch by batch
  }
  drive.recorded = state.head();
  if (state.publish_batch() > state_.batches_accepted) {
    state_.batches_accepted = state.publish_batch();
  }
  for (const auto& entry : state.entries()) {
    auto& copies = state_.entries[entry.file()];
    std::erase_if(copies, [&](const auto& copy) { return copy.first == state.key(); });
    if (!entry.deleted()) {
      copies.emplace_back(state.key(), entry);
    } else {
      std::erase(drive.drop_files, entry.file());
      std::erase(drive.delete_files, entry.file());
    }
  }
}

void FakeCoordinator::Answer(const pb::SynchronizeRequest& request,
                             pb::SynchronizeResponse* response) {
  response->set_lease_ms(state_.lease_ms);
  response->set_next_call_ms(100);
  for (const pb::Copy& copy : state_.copies) {
    *response->add_copies() = copy;
  }
  for (const auto& asked : request.drives()) {
    const Drive& drive = state_.drives[asked.key()];
    if (drive.forgotten) {
      continue;
    }
    auto* recorded = response->add_drives();
    recorded->set_key(asked.key());
    *recorded->mutable_recorded() = drive.recorded;
    recorded->set_cut_tail(drive.cut_tail);
    recorded->set_sealed(drive.sealed);
    for (const auto& file : drive.drop_files) {
      recorded->add_drop_files(file);
    }
    for (const auto& file : drive.delete_files) {
      recorded->add_delete_files(file);
    }
    for (const auto& blob : drive.clear_blobs) {
      *recorded->add_clear_blobs() = blob;
    }
    if (drive.kind == pb::DriveState::KIND_INDEX &&
        state_.batches_accepted < state_.batches.size()) {
      response->mutable_publish()->set_batch(state_.batches_accepted + 1);
      *response->mutable_publish()->mutable_base() = drive.recorded;
    }
  }
  const bool takes_work = request.capacity_bytes() > 0 || request.jobs_size() > 0;
  if (takes_work && !request.draining()) {
    // What is stored already is not asked for again.
    for (const auto& job : state_.jobs) {
      auto* leased = response->add_jobs();
      leased->set_job_id(job.job_id());
      leased->set_attempt(job.attempt());
      for (const auto& unit : job.nars()) {
        if (!HasVerdict(state_, unit)) {
          *leased->add_nars() = unit;
        }
      }
    }
  }
}

grpc::Status FakeCoordinator::ReportScrub(grpc::ServerContext* /*context*/,
                                          const pb::ScrubReport* request,
                                          pb::ScrubOrders* response) {
  MutexLock lock(mutex_);
  if (state_.down) {
    return {grpc::StatusCode::UNAVAILABLE, "down on purpose"};
  }
  for (const auto& drive : request->drives()) {
    (drive.whole() ? state_.scrubs : state_.scrubbing)[drive.key()] = drive;
    state_.scrub_repairs += drive.whole() ? drive.repaired() : 0;
    state_.scrub_losses.insert(state_.scrub_losses.end(), drive.given_up_files().begin(),
                               drive.given_up_files().end());
  }
  for (const auto& [key, ask] : state_.scrub_asks) {
    const auto whole = state_.scrubs.find(key);
    if (whole == state_.scrubs.end() || whole->second.ask() < ask) {
      auto* order = response->add_now();
      order->set_key(key);
      order->set_ask(ask);
    }
  }
  response->set_next_call_ms(100);
  changed_.NotifyAll();
  return grpc::Status::OK;
}

grpc::Status FakeCoordinator::ListShardFiles(grpc::ServerContext* /*context*/,
                                             const pb::ListShardFilesRequest* request,
                                             pb::ListShardFilesResponse* response) {
  MutexLock lock(mutex_);
  for (const auto& [file, copies] : state_.entries) {
    const bool here = std::any_of(copies.begin(), copies.end(),
                                  [&](const auto& copy) { return copy.first == request->key(); });
    const bool meant =
        request->files().empty() ||
        std::find(request->files().begin(), request->files().end(), file) != request->files().end();
    const auto unit = state_.units.find(file);
    if (!here || !meant || file <= request->after() || unit == state_.units.end() ||
        response->files_size() >= static_cast<int>(request->files_max())) {
      continue;
    }
    auto* listed = response->add_files();
    listed->set_file(file);
    listed->set_url(unit->second.url());
    listed->set_compression(unit->second.compression());
    listed->set_nar_hash(unit->second.nar_hash());
    listed->set_nar_size(unit->second.nar_size());
  }
  for (const std::string& peer : state_.shard_peers) {
    response->add_peers(peer);
  }
  return grpc::Status::OK;
}

grpc::Status FakeCoordinator::ReadPublishBatch(grpc::ServerContext* /*context*/,
                                               const pb::ReadPublishBatchRequest* request,
                                               grpc::ServerWriter<pb::PublishOperation>* writer) {
  std::vector<pb::PublishOperation> operations;
  {
    MutexLock lock(mutex_);
    if (request->batch() == 0 || request->batch() > state_.batches.size()) {
      return {grpc::StatusCode::NOT_FOUND, "no such batch"};
    }
    operations = state_.batches[request->batch() - 1];
    ++state_.batch_reads;
    const std::uint64_t calls_wanted = state_.calls + state_.calls_during_batch_read;
    while (state_.calls < calls_wanted && !state_.down) {
      changed_.WaitFor(mutex_, std::chrono::milliseconds(100));
    }
  }
  for (const auto& operation : operations) {
    writer->Write(operation);
  }
  return grpc::Status::OK;
}

}  // namespace hnx::test
