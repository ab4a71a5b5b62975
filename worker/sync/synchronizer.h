// Synchronizer: the level-triggered loop with the coordinator. Each round says what this worker is,
// has and does, and makes it do what the answer says. One thread; everything else is asked for its
// state.
//
// While the coordinator is away, work that is leased goes on until the lease ends; then it is given
// up. What became durable in the meantime is reported when the coordinator is back.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/retry_policy.h"
#include "base/service.h"
#include "hypercore_nixos/v1/coordinator.pb.h"
#include "worker/copies/copy_set.h"
#include "worker/data_directory.h"
#include "worker/disk_space.h"
#include "worker/job_table.h"
#include "worker/limits/limited_fetcher.h"
#include "worker/metrics.h"
#include "worker/peers/drive_heads.h"
#include "worker/pipeline/pipeline.h"
#include "worker/publish/index_publisher.h"
#include "worker/shard/shard_set.h"
#include "worker/sync/lease_client.h"

namespace hnx::worker {

// NAR bytes that a worker keeps leased ahead of itself.
inline constexpr std::uint64_t kBacklogBytesDefault = std::uint64_t{512} << 20;
// Between two calls, however much there is to report.
inline constexpr std::chrono::milliseconds kSynchronizeIntervalMin{25};
// When the answer names no interval.
inline constexpr std::chrono::milliseconds kSynchronizeIntervalMax{5000};

struct SynchronizerOptions {
  std::string name;
  bool role_mirror = true;
  std::uint64_t backlog_bytes = kBacklogBytesDefault;
  std::string version;
  std::string failure_domain;
  std::string peer_address;  // as others dial it; empty: they cannot
  bool scrubs = true;        // what lies on its disk
};

// Why the worker must end.
enum class EndReason {
  kSuperseded,  // a newer incarnation of this worker runs: touch nothing
  kRefused,     // the coordinator does not want it, or its disk is gone; the message says which
};

// What the loop drives; all must outlive it. `index` may be null.
struct SynchronizerParts {
  const DataDirectory& data;
  LeaseClient& coordinator;
  JobTable& jobs;
  ShardSet& shards;
  Pipeline& pipeline;
  IndexPublisher* index = nullptr;
  const DiskSpace& disk;
  Metrics& metrics;
  std::function<void(std::uint64_t bytes_per_second)> set_download_rate;
  LimitedFetcher& limits;
  // Called once, from the loop's thread.
  std::function<void(EndReason, const std::string& message)> on_end;
  // Told of what was accepted; may be null.
  DriveHeads* heads = nullptr;
  // Null: it takes no copies of other workers' shards.
  CopySet* copies = nullptr;
};

class Synchronizer final : public LoopService {
 public:
  Synchronizer(SynchronizerOptions options, SynchronizerParts parts,
               const Clock& clock = Clock::Real());
  ~Synchronizer() override;
  Synchronizer(const Synchronizer&) = delete;
  Synchronizer& operator=(const Synchronizer&) = delete;
  Synchronizer(Synchronizer&&) = delete;
  Synchronizer& operator=(Synchronizer&&) = delete;

  std::chrono::milliseconds RunOnce() override;

  // After Stop: says once that the worker leaves, with all that is durable, until the coordinator
  // recorded it, at most for so long.
  void Leave(std::chrono::milliseconds time_max);

 private:
  using Request = hypercore_nixos::v1::SynchronizeRequest;
  using Response = hypercore_nixos::v1::SynchronizeResponse;

  Result<Response> Call(bool draining);
  Request MakeRequest(bool draining);
  void AddDrives(Request* request);
  void AddCopies(Request* request);
  std::uint64_t CapacityBytes(std::uint64_t disk_free);
  void Carry(const Response& response, Clock::SteadyTime sent);
  void ApplyJobs(const Response& response);
  void ApplyDrives(const Response& response);
  void ApplyCopies(const Response& response);
  void ApplyIndex(const Response& response, const hypercore_nixos::v1::RecordedDrive* recorded);
  bool AnythingUnrecorded() const;
  std::chrono::milliseconds OnError(const Error& error);

  const SynchronizerOptions options_;
  const SynchronizerParts parts_;
  const Clock& clock_;
  std::uint64_t sequence_ = 0;
  std::optional<Clock::SteadyTime> lease_end_;
  std::optional<Clock::SteadyTime> last_call_;
  std::set<std::string> asked_;  // keys of the drives in the last request
  std::chrono::milliseconds next_call_{kSynchronizeIntervalMax};
  int failures_ = 0;
  bool disk_full_ = false;
  bool drained_ = false;  // by an operator
  bool ended_ = false;
  Mutex leave_mutex_;
  CondVar leave_pause_;  // nobody notifies: a wait between calls
  std::mt19937_64 random_{std::random_device{}()};
};

}  // namespace hnx::worker
