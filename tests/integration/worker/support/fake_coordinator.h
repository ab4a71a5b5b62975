// FakeCoordinator: a real gRPC server on a free port that keeps the contract of WorkerGateway in
// memory: leases, recorded heads by compare-and-set, a publish log. And misbehaves on request.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "hypercore_nixos/v1/coordinator.grpc.pb.h"
#include "rpc/server.h"

namespace hnx::test {

namespace pb = hypercore_nixos::v1;

class FakeCoordinator final : public pb::WorkerGateway::Service {
 public:
  struct Drive {
    pb::DriveState::Kind kind = pb::DriveState::KIND_UNSPECIFIED;
    pb::DriveHead recorded;
    bool cut_tail = false;
    bool sealed = false;
    bool forgotten = false;  // not in answers any more
    std::vector<std::string> drop_files;
    std::vector<std::string> delete_files;
    std::vector<pb::BlobId> clear_blobs;
  };
  struct State {
    std::map<std::string, Drive> drives;                                                 // by key
    std::map<std::string, std::vector<std::pair<std::string, pb::ShardEntry>>> entries;  // by file
    std::vector<pb::Job> jobs;
    std::vector<pb::Copy> copies;                      // that the worker is to hold
    std::map<std::uint64_t, pb::NarFailure> failures;  // by nar_id
    std::vector<std::vector<pb::PublishOperation>> batches;
    std::uint64_t batches_accepted = 0;
    pb::SynchronizeRequest last_request;
    std::uint64_t calls = 0;
    std::uint64_t incarnation = 0;
    std::uint64_t nonce = 0;
    bool down = false;
    int answers_to_lose = 0;
    std::uint64_t batch_reads = 0;
    std::uint64_t calls_during_batch_read = 0;  // a batch is handed out only after so many calls
    bool drained = false;
    std::uint32_t lease_ms = 10'000;
    std::map<std::string, pb::NarUnit> units;         // by file, of all jobs
    std::map<std::string, std::uint64_t> scrub_asks;  // by key
    std::map<std::string, pb::DriveScrub> scrubs;     // whole ones, by key
    std::map<std::string, pb::DriveScrub> scrubbing;  // the last word of rounds under way
    std::uint64_t scrub_repairs = 0;                  // of all whole ones together
    std::vector<pb::ScrubLoss> scrub_losses;
    std::vector<std::string> shard_peers;
    bool accept = true;  // false: heads are seen and not recorded
  };

  FakeCoordinator();
  ~FakeCoordinator() override;

  std::string endpoint() const { return "127.0.0.1:" + std::to_string(server_->port()); }

  // Changes or looks at the state.
  void With(const std::function<void(State&)>& change) HNX_EXCLUDES(mutex_);
  std::uint64_t AddJob(std::vector<pb::NarUnit> units);
  // Adds a job and waits until each of its NARs is stored or failed.
  bool RunJob(std::vector<pb::NarUnit> units);
  bool WaitFor(const std::function<bool(const State&)>& done,
               std::chrono::milliseconds time_max = std::chrono::seconds(30)) HNX_EXCLUDES(mutex_);
  bool AllVerdicts();
  // Live copies of a file over all shards.
  std::size_t Copies(const std::string& file);
  pb::NarFailure FailureOf(std::uint64_t nar_id);

 private:
  grpc::Status Synchronize(grpc::ServerContext* context, const pb::SynchronizeRequest* request,
                           pb::SynchronizeResponse* response) override;
  grpc::Status ReadPublishBatch(grpc::ServerContext* context,
                                const pb::ReadPublishBatchRequest* request,
                                grpc::ServerWriter<pb::PublishOperation>* writer) override;
  grpc::Status ReportScrub(grpc::ServerContext* context, const pb::ScrubReport* request,
                           pb::ScrubOrders* response) override;
  grpc::Status ListShardFiles(grpc::ServerContext* context,
                              const pb::ListShardFilesRequest* request,
                              pb::ListShardFilesResponse* response) override;
  void Record(const pb::DriveState& state) HNX_REQUIRES(mutex_);
  void Answer(const pb::SynchronizeRequest& request, pb::SynchronizeResponse* response)
      HNX_REQUIRES(mutex_);

  Mutex mutex_;
  CondVar changed_;
  State state_ HNX_GUARDED_BY(mutex_);
  std::uint64_t next_job_ = 1;
  std::unique_ptr<rpc::Server> server_;
};

}  // namespace hnx::test
