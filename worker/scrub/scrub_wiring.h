// ScrubWiring: the scrubber of a worker with all that it reads, repairs from and tells.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hyper/node/read_limits.h"
#include "swarm/swarm_bridge.h"
#include "worker/copies/copy_set.h"
#include "worker/data_directory.h"
#include "worker/metrics.h"
#include "worker/pipeline/fetcher.h"
#include "worker/scrub/peer_blocks.h"
#include "worker/scrub/scrubber.h"
#include "worker/scrub/upstream_blocks.h"
#include "worker/shard/shard_set.h"
#include "worker/sync/lease_client.h"

namespace hnx::worker {

class ScrubWiring {
 public:
  // All must outlive it.
  struct Environment {
    const DataDirectory& data;
    LeaseClient& coordinator;
    Metrics& metrics;
    Fetcher& fetcher;
    ShardSet& shards;
    CopySet* copies = nullptr;                 // null: it takes none
    std::vector<std::string> index_holders;    // HOST:PORT
    std::optional<swarm::SwarmOptions> swarm;  // for a bridge of its own; none: not in the swarm
    std::uint64_t rate = kScrubRateDefault;    // bytes a second, not 0
    std::chrono::milliseconds interval = kScrubIntervalDefault;
  };
  explicit ScrubWiring(Environment environment);
  ~ScrubWiring();
  ScrubWiring(const ScrubWiring&) = delete;
  ScrubWiring& operator=(const ScrubWiring&) = delete;
  ScrubWiring(ScrubWiring&&) = delete;
  ScrubWiring& operator=(ScrubWiring&&) = delete;

  void Start() { scrubber_->Start(); }
  // Ends what runs, and the thread. Idempotent.
  void Stop();

 private:
  ScrubParts Parts();
  std::vector<ScrubbedDrive> Drives() const;
  // Who else may have the drive.
  std::vector<std::string> AddressesOf(const hyper::DriveKey& key) const;
  Result<std::string> UrlOf(const hyper::DriveKey& key, const std::string& file) const;
  Result<hypercore_nixos::v1::ListShardFilesResponse> Ask(
      const hyper::DriveKey& key, const std::vector<std::string>& files) const;
  Result<void> Drop(const hyper::DriveKey& shard, const std::string& file) const;

  const Environment environment_;
  ScrubPace pace_;
  const std::shared_ptr<hyper::Cancellation> cancellation_ =
      std::make_shared<hyper::Cancellation>();
  PeerBlocks copies_;
  PeerBlocks swarm_;
  UpstreamBlocks upstream_;
  std::unique_ptr<Scrubber> scrubber_;
};

}  // namespace hnx::worker
