#include "worker/worker.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/program.h"
#include "http/metrics_endpoint.h"
#include "worker/copies/copy_set.h"
#include "worker/data_directory.h"
#include "worker/disk_space.h"
#include "worker/limits/limited_fetcher.h"
#include "worker/lost/lost_nar_fetcher.h"
#include "worker/metrics.h"
#include "worker/recovery/index_recovery.h"
#include "worker/scrub/scrub_wiring.h"

namespace hnx::worker {
namespace {

// Of the grace period, for what comes after the last word to the coordinator.
constexpr std::chrono::milliseconds kEndTime{500};
// Beyond the decoders, so that one is never without a shard to stream into.
constexpr std::size_t kStreamsBeyondDecoders = 1;
// Calls to the coordinator are seconds apart.
constexpr std::chrono::minutes kAnswerAgeMax{1};

class RunningWorker final : public Worker {
 public:
  RunningWorker(WorkerOptions options, std::unique_ptr<DataDirectory> data,
                std::unique_ptr<LeaseClient> coordinator)
      : options_(std::move(options)),
        data_(std::move(data)),
        disk_(data_->root(), options_.disk_reserve),
        coordinator_(std::move(coordinator)),
        jobs_([this] { WakeSynchronizer(); }),
        shard_environment_{*data_,
                           jobs_,
                           metrics_,
                           options_.shard_size_max,
                           [this] { WakeSynchronizer(); },
                           [this] { PumpPipeline(); }},
        http_(HttpOptions(options_)),
        fetcher_(MakeFetcher(http_, FetchOptions(options_))),
        limited_(*fetcher_, options_.transfers_max) {}

  ~RunningWorker() override { Stop(false); }

  Result<void> Run(std::function<void(EndReason, const std::string&)> on_end,
                   std::function<bool()> stopping) {
    std::optional<IndexStart> index_start;
    if (options_.role_index) {
      // Before peers are served: it needs the swarm's socket, and the drive's folder may change.
      HNX_ASSIGN_OR_RETURN(index_start, RecoverIndex(*data_, RecoveryOptions(std::move(stopping))));
    }
    if (options_.peers.wanted()) {
      HNX_ASSIGN_OR_RETURN(peers_, PeerServer::Start(options_.peers, *data_, metrics_));
      shard_environment_.heads = peers_.get();
      HNX_ASSIGN_OR_RETURN(copies_, CopySet::Open(*peers_, disk_, data_->CopiesFolder(),
                                                  [this] { WakeSynchronizer(); }));
    }
    HNX_ASSIGN_OR_RETURN(std::vector<hyper::DriveKey> drives, data_->ListDrives());
    HNX_ASSIGN_OR_RETURN(const auto index_drive, data_->IndexDrive());
    if (index_start) {
      HNX_ASSIGN_OR_RETURN(index_, IndexPublisher::Open(
                                       *data_, *index_start, *coordinator_, metrics_,
                                       [this] { WakeSynchronizer(); }, peers_.get()));
      Log("worker")->info("index drive {}", index_->State().key.id());
      std::erase(drives, index_->State().key);
    }
    if (index_drive) {
      std::erase(drives, *index_drive);
    }
    const std::size_t streams = options_.decode_threads + kStreamsBeyondDecoders;
    shards_ = std::make_unique<ShardSet>(shard_environment_, drives, streams);
    PipelineOptions pipeline;
    pipeline.decode_threads = options_.decode_threads;
    pipeline.transfers_max = options_.transfers_max;
    pipeline.memory_max = options_.memory_max;
    pipeline.decompressor.xz_memory_max = options_.xz_memory_max;
    SetPipeline(std::make_unique<Pipeline>(pipeline, NarSource(), *shards_, jobs_, metrics_));
    http_.SetRateLimit(options_.download_rate_max);
    MakeScrubber();
    StartSynchronizer(std::move(on_end));
    return ServeMetrics();
  }

  void Stop(bool superseded) override {
    if (std::exchange(stopped_, true)) {
      return;
    }
    const auto grace_end = Clock::Real().Steady() + options_.grace;
    if (superseded) {
      coordinator_->Stop();
      if (peers_ != nullptr) {
        peers_->Stop();
      }
    }
    Log("worker")->info("stopping");
    if (synchronizer_ != nullptr) {
      synchronizer_->Stop();
    }
    if (scrubber_ != nullptr) {
      scrubber_->Stop();
    }
    if (copies_ != nullptr) {
      copies_->Cancel();
      copies_->Stop();
    }
    jobs_.DropAll();
    if (pipeline_ != nullptr) {
      pipeline_->Stop();
    }
    if (index_ != nullptr) {
      index_->Stop();
    }
    if (shards_ != nullptr) {
      shards_->Stop();
    }
    if (!superseded && synchronizer_ != nullptr) {
      const auto left = grace_end - Clock::Real().Steady() - kEndTime;
      synchronizer_->Leave(std::chrono::duration_cast<std::chrono::milliseconds>(left));
    }
    metrics_endpoint_.reset();
    if (peers_ != nullptr) {
      peers_->Stop();
    }
    // Threads of shards and jobs call these no more.
    MutexLock lock(callbacks_mutex_);
    wake_target_ = nullptr;
    pump_target_ = nullptr;
  }

  std::string peer_address() const override {
    return peers_ == nullptr ? std::string() : peers_->address();
  }

 private:
  IndexRecoveryOptions RecoveryOptions(std::function<bool()> stopping) const {
    IndexRecoveryOptions recovery;
    recovery.key_file = options_.index_key_file;
    recovery.holders = options_.index_holders;
    recovery.swarm = OwnBridge();
    if (options_.accept_length >= 0) {
      recovery.accept_length = static_cast<std::uint64_t>(options_.accept_length);
    }
    recovery.from_log = options_.index_from_log;
    recovery.stopping = std::move(stopping);
    return recovery;
  }

  // A socket for others' bridges is the peer server's.
  std::optional<swarm::SwarmOptions> OwnBridge() const {
    const swarm::SwarmOptions& swarm = options_.peers.swarm;
    return swarm.swarm == "on" || swarm.swarm == "auto" ? std::optional(swarm) : std::nullopt;
  }

  void MakeScrubber() {
    if (options_.scrub_rate == 0) {
      return;
    }
    scrubber_ = std::make_unique<ScrubWiring>(
        ScrubWiring::Environment{.data = *data_,
                                 .coordinator = *coordinator_,
                                 .metrics = metrics_,
                                 .fetcher = limited_,
                                 .shards = *shards_,
                                 .copies = copies_.get(),
                                 .index_holders = options_.index_holders,
                                 .swarm = OwnBridge(),
                                 .rate = options_.scrub_rate,
                                 .interval = options_.scrub_interval});
  }

  static http::HttpClientOptions HttpOptions(const WorkerOptions& options) {
    http::HttpClientOptions http;
    http.proxy = options.proxy;
    http.ca_file = options.ca_file;
    http.connections_per_host_max = options.connections_per_host_max;
    http.receive_buffer_bytes = std::size_t{128} << 10;
    return http;
  }

  static FetcherOptions FetchOptions(const WorkerOptions& options) {
    FetcherOptions fetch;
    if (!options.import_dir.empty()) {
      fetch.import_dir = options.import_dir;
    }
    fetch.redirect_hosts = options.redirect_hosts;
    return fetch;
  }

  // Peers before upstream, for what was lost.
  Fetcher& NarSource() {
    if (peers_ == nullptr) {
      return limited_;
    }
    auto shards = std::make_unique<LostShards>(
        data_->LostShardsFolder(),
        [this](const hyper::DriveKey& key, hyper::RemoteDriveOptions options) {
          return peers_->OpenRemote(key, std::move(options));
        });
    lost_ = std::make_unique<LostNarFetcher>(limited_, std::move(shards), options_.transfers_max);
    return *lost_;
  }

  void StartSynchronizer(std::function<void(EndReason, const std::string&)> on_end) {
    SynchronizerOptions options;
    options.name = options_.name;
    options.role_mirror = options_.role_mirror;
    options.backlog_bytes = options_.backlog_max;
    options.version = cli::kVersion;
    options.failure_domain = options_.failure_domain;
    options.peer_address = AdvertisedPeers(options_, peer_address());
    options.scrubs = scrubber_ != nullptr;
    SynchronizerParts parts{
        *data_,       *coordinator_,     jobs_,
        *shards_,     *pipeline_,        index_.get(),
        disk_,        metrics_,          [this](std::uint64_t rate) { SetRate(rate); },
        limited_,     std::move(on_end), peers_.get(),
        copies_.get()};
    synchronizer_ = std::make_unique<Synchronizer>(std::move(options), std::move(parts));
    {
      MutexLock lock(callbacks_mutex_);
      wake_target_ = synchronizer_.get();
    }
    if (index_ != nullptr) {
      index_->Start();
    }
    if (copies_ != nullptr) {
      copies_->Start();
    }
    synchronizer_->Start();
    if (scrubber_ != nullptr) {
      scrubber_->Start();
    }
  }

  // The lower of what the operator and the coordinator allow.
  void SetRate(std::uint64_t rate) {
    const std::uint64_t own = options_.download_rate_max;
    const std::uint64_t both = rate == 0 || own == 0 ? std::max(rate, own) : std::min(rate, own);
    if (std::exchange(rate_, both) != both) {
      http_.SetRateLimit(both);
    }
  }

  void SetPipeline(std::unique_ptr<Pipeline> pipeline) {
    pipeline_ = std::move(pipeline);
    MutexLock lock(callbacks_mutex_);
    pump_target_ = pipeline_.get();
  }

  // Shards and jobs outlive neither of the two, but run before they are there.
  void WakeSynchronizer() {
    MutexLock lock(callbacks_mutex_);
    if (wake_target_ != nullptr) {
      wake_target_->Wake();
    }
  }
  void PumpPipeline() {
    Pipeline* pipeline = nullptr;
    {
      MutexLock lock(callbacks_mutex_);
      pipeline = pump_target_;
    }
    if (pipeline != nullptr) {
      pipeline->Pump();
    }
  }

  Result<void> ServeMetrics() {
    metrics_.ShowGauge("hnx_worker_queued_bytes", "NAR bytes waiting in memory",
                       [this] { return static_cast<double>(pipeline_->queued_bytes()); });
    metrics_.ShowGauge("hnx_worker_queued_bytes_max", "How many may wait before no more is fetched",
                       [this] { return static_cast<double>(options_.memory_max); });
    metrics_.ShowGauge("hnx_worker_shards", "Shards in this worker's data directory",
                       [this] { return static_cast<double>(shards_->All().size()); });
    if (copies_ != nullptr) {
      metrics_.ShowGauge("hnx_worker_copies", "Copies of other workers' shards that are here",
                         [this] { return static_cast<double>(copies_->Held().size()); });
      metrics_.ShowGauge("hnx_worker_copies_missing_bytes", "Bytes that they still lack",
                         [this] { return static_cast<double>(copies_->MissingBytes()); });
    }
    metrics_.ShowGauge("hnx_worker_jobs", "Leased jobs with NARs without a verdict",
                       [this] { return static_cast<double>(jobs_.size()); });
    metrics_.ShowGauge("hnx_worker_disk_free_bytes", "Room for drives beyond the reserve",
                       [this] { return static_cast<double>(disk_.FreeBytes().value_or(0)); });
    if (options_.listen_metrics.empty()) {
      return {};
    }
    HNX_ASSIGN_OR_RETURN(metrics_endpoint_,
                         http::MetricsEndpoint::Start(options_.listen_metrics, metrics_.registry(),
                                                      [this] { return Ready(); }));
    Log("worker")->info("metrics on http://{}/metrics", metrics_endpoint_->address());
    return {};
  }

  std::vector<http::ReadyItem> Ready() const {
    std::string unregistered;
    const auto since = metrics_.SinceAnswer();
    if (!since || *since > kAnswerAgeMax) {
      unregistered = since ? "no coordinator has answered for a minute"
                           : "no coordinator has answered since the start";
    }
    std::string unread;
    for (const ShardWriter* shard : shards_->All()) {
      if (!shard->readable()) {
        unread = "a shard is not open yet, or cannot be read: the log says why";
      }
    }
    return {{.name = "coordinator", .reason = unregistered}, {.name = "drives", .reason = unread}};
  }

  const WorkerOptions options_;
  Metrics metrics_;
  std::unique_ptr<DataDirectory> data_;
  FileSystemSpace disk_;
  std::unique_ptr<LeaseClient> coordinator_;
  Mutex callbacks_mutex_;
  Synchronizer* wake_target_ HNX_GUARDED_BY(callbacks_mutex_) = nullptr;
  Pipeline* pump_target_ HNX_GUARDED_BY(callbacks_mutex_) = nullptr;
  // Told by shards, publisher and synchronizer: these are destroyed before it.
  std::unique_ptr<PeerServer> peers_;
  std::unique_ptr<CopySet> copies_;  // reads through the node of peers_
  JobTable jobs_;
  ShardEnvironment shard_environment_;
  http::HttpClient http_;
  std::unique_ptr<Fetcher> fetcher_;
  LimitedFetcher limited_;
  std::unique_ptr<LostNarFetcher> lost_;  // null: no peers
  std::unique_ptr<ShardSet> shards_;
  std::unique_ptr<IndexPublisher> index_;
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<ScrubWiring> scrubber_;
  std::unique_ptr<Synchronizer> synchronizer_;
  std::unique_ptr<http::MetricsEndpoint> metrics_endpoint_;
  std::uint64_t rate_ = 0;
  bool stopped_ = false;
};

}  // namespace

Result<std::unique_ptr<Worker>> Worker::Start(
    const WorkerOptions& options, std::function<void(EndReason, const std::string&)> on_end,
    std::function<bool()> stopping) {
  HNX_ASSIGN_OR_RETURN(auto coordinator, MakeGrpcLeaseClient(options.endpoints, options.access));
  HNX_ASSIGN_OR_RETURN(auto data, DataDirectory::Open(options.data));
  Log("worker")->info("worker {} ({}), incarnation {}", data->worker_id(), options.name,
                      data->incarnation());
  auto worker = std::make_unique<RunningWorker>(options, std::move(data), std::move(coordinator));
  HNX_TRY(worker->Run(std::move(on_end), std::move(stopping)));
  return worker;
}

}  // namespace hnx::worker
