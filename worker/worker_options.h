// What an operator says to a worker: flags, environment (HNX_...) and configuration file.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "access/access_options.h"
#include "base/result.h"
#include "worker/grace_period.h"
#include "worker/peers/peer_server.h"
#include "worker/pipeline/pipeline.h"
#include "worker/scrub/scrubber.h"
#include "worker/shard/shard_writer.h"
#include "worker/sync/synchronizer.h"

namespace hnx::worker {

inline constexpr std::uint64_t kDiskReserveDefault = std::uint64_t{2} << 30;

struct WorkerOptions {
  std::string data;
  std::vector<std::string> coordinators{"127.0.0.1:7070"};  // each may be several, with commas
  access::ClientAccess access;                              // of calls to them
  std::vector<std::string> roles;  // each "mirror", "index" or both with a comma
  std::string index_key_file;
  std::vector<std::string> index_holders;  // HOST:PORT each
  std::int64_t accept_length = -1;         // negative: no word
  bool index_from_log = false;
  std::string name;
  std::uint64_t shard_size_max = kShardSizeMaxDefault;
  std::size_t decode_threads = 0;  // 0: one per core
  std::uint64_t memory_max = PipelineOptions{}.memory_max;
  std::uint64_t xz_memory_max = nix::DecompressorLimits{}.xz_memory_max;
  std::uint64_t disk_reserve = kDiskReserveDefault;
  std::uint64_t backlog_max = kBacklogBytesDefault;
  std::size_t transfers_max = PipelineOptions{}.transfers_max;
  std::string proxy;
  std::string ca_file;
  std::vector<std::string> redirect_hosts;
  int connections_per_host_max = 16;
  std::uint64_t download_rate_max = 0;  // bytes a second; 0: no limit
  std::string import_dir;
  bool core_dumps = false;
  std::string listen_metrics;
  std::uint64_t scrub_rate = kScrubRateDefault;  // bytes a second; 0: nothing is scrubbed
  std::chrono::milliseconds scrub_interval = kScrubIntervalDefault;
  // From SIGTERM to the end, at most.
  std::chrono::milliseconds grace = kGraceDefault;
  PeerServerOptions peers;
  std::string advertise_peers;  // HOST:PORT; see AdvertisedPeers
  std::string failure_domain;

  // Worked out by Complete.
  std::vector<std::string> endpoints;
  bool role_mirror = false;
  bool role_index = false;
};

void AddWorkerOptions(CLI::App& app, WorkerOptions& options);

// Checks what belongs together and fills what was left open. kInvalidArgument says what to change.
Result<void> Complete(WorkerOptions* options);

// HOST:PORT by which other workers reach what is bound as `listening`; empty: they cannot. Without
// --advertise-peers an address that means all of this machine's is told by the host name.
std::string AdvertisedPeers(const WorkerOptions& options, const std::string& listening);

}  // namespace hnx::worker
