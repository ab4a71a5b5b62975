#include "worker/worker_options.h"

#include <algorithm>
#include <array>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

#include "cli/core_dumps.h"
#include "cli/option.h"
#include "hyper/transport/socket_address.h"
#include "rpc/channel.h"

namespace hnx::worker {
namespace {

constexpr std::size_t kDecodeThreadsMax = 256;
constexpr std::uint64_t kMemoryMin = std::uint64_t{4} << 20;

std::string HostName() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : "worker";
}

Result<void> ReadRoles(WorkerOptions* options) {
  if (options->roles.empty()) {
    options->roles = {"mirror"};
  }
  for (const std::string& list : options->roles) {
    for (std::size_t begin = 0; begin <= list.size();) {
      const std::size_t comma = std::min(list.find(',', begin), list.size());
      const std::string role = list.substr(begin, comma - begin);
      if (role == "mirror") {
        options->role_mirror = true;
      } else if (role == "index") {
        options->role_index = true;
      } else {
        return InvalidArgument(fmt::format("--role {}: want mirror or index", role));
      }
      begin = comma + 1;
    }
  }
  if (options->role_index && options->index_key_file.empty()) {
    return InvalidArgument(
        "--role index needs --index-key-file FILE; worker create-index-key FILE makes one");
  }
  return {};
}

}  // namespace

void AddWorkerOptions(CLI::App& app, WorkerOptions& options) {
  cli::AddOption(app, "--data", options.data, "Folder that holds this worker's drives and identity")
      ->required();
  cli::AddOption(app, "--coordinator", options.coordinators,
                 "HOST:PORT of the coordinator; again, or with commas, for more: they are tried in "
                 "turn (default: 127.0.0.1:7070)");
  access::AddClientAccess(app, options.access);
  cli::AddOption(app, "--role", options.roles,
                 "mirror (append NARs to shards), index (publish), or both; default mirror");
  cli::AddOption(app, "--index-key-file", options.index_key_file,
                 "The index drive's primary key; see worker create-index-key");
  cli::AddOption(app, "--index-holder", options.index_holders,
                 "HOST:PORT of somebody who holds a copy of the index (a gateway from afar, hyp "
                 "seed): asked how long it is before anything is appended, and it is fetched from "
                 "there when this disk lost it");
  cli::AddOption(app, "--accept-length", options.accept_length,
                 "The operator's word that the index was never published beyond this length, for "
                 "when no holder can say so (docs/RECOVERY.md); negative: none");
  cli::AddFlag(app, "--index-from-log", options.index_from_log,
               "Build a lost index from the coordinator's publish log, not from its holders");
  cli::AddOption(app, "--name", options.name,
                 "What people call this worker; default the host name");
  cli::AddSize(app, "--shard-size-max", options.shard_size_max,
               "Begin a new shard beyond this size");
  cli::AddOption(app, "--decode-threads", options.decode_threads,
                 "Threads that decompress and hash; 0 is one per core");
  cli::AddSize(app, "--memory-max", options.memory_max,
               "NAR bytes waiting in memory, decoders' dictionaries not counted");
  cli::AddSize(app, "--xz-memory-max", options.xz_memory_max,
               "Largest dictionary that an xz stream may ask for");
  cli::AddSize(app, "--disk-reserve", options.disk_reserve, "Room on the disk left to others");
  cli::AddSize(app, "--backlog-max", options.backlog_max, "Work leased ahead");
  cli::AddOption(app, "--transfers-max", options.transfers_max, "Downloads at once");
  cli::AddOption(app, "--proxy", options.proxy,
                 "Proxy for downloads (http://..., socks5h://...); default: the usual variables");
  cli::AddOption(app, "--ca-file", options.ca_file, "PEM bundle instead of the system's");
  cli::AddOption(
      app, "--redirect-host", options.redirect_hosts,
      "Further host that an upstream may redirect to; HOST:PORT for another port than the "
      "usual one and that of the upstream");
  cli::AddOption(app, "--connections-per-host-max", options.connections_per_host_max,
                 "Connections to one upstream host");
  cli::AddSize(app, "--download-rate-max", options.download_rate_max,
               "Bytes a second, all downloads together; 0 is no limit");
  cli::AddOption(app, "--import-dir", options.import_dir,
                 "Folder below which file:// URLs of an import are read; default: none are");
  cli::AddDuration(app, "--grace", options.grace,
                   "From SIGTERM to the end at most: leases end, what is verified is committed and "
                   "reported, the rest is left to others");
  cli::AddSize(app, "--scrub-rate", options.scrub_rate,
               "Bytes a second that are read back from the disk and checked in the background, "
               "damage repaired; 0: none are, whoever asks");
  cli::AddDuration(app, "--scrub-interval", options.scrub_interval,
                   "A drive is gone through again so long after the last time; 0: only when "
                   "`coordinator scrub` asks");
  cli::AddCoreDumps(app, options.core_dumps, "the keys of this worker's drives");
  cli::AddOption(app, "--listen-metrics", options.listen_metrics,
                 "HOST:PORT for /metrics, /healthz and /readyz; default: not served");
  cli::AddOption(app, "--listen-peers", options.peers.listen,
                 "HOST:PORT on which peers read this worker's drives; default: not served");
  cli::AddOption(app, "--advertise-peers", options.advertise_peers,
                 "HOST:PORT by which other workers reach --listen-peers; default: that address, "
                 "with the host name when it listens on all addresses");
  cli::AddOption(app, "--failure-domain", options.failure_domain,
                 "What may fail together with this worker (a host, a rack): copies of a shard are "
                 "kept in different ones; default the host name");
  cli::AddOption(
      app, "--peer", options.peers.others,
      "HOST:PORT of somebody who may have parts of the mirror (a gateway from afar, hyp "
      "seed): asked for what was lost with a disk before upstream is, as the swarm is with "
      "--swarm on; may be given several times");
  options.peers.swarm.AddTo(app);
  cli::AddSize(app, "--peer-rate-max", options.peers.rate_max,
               "Bytes a second to all peers together; 0 is no limit");
  cli::AddSize(app, "--peer-rate-each-max", options.peers.rate_each_max,
               "Bytes a second to each peer; 0 is no limit");
  cli::AddOption(app, "--peer-connections-max", options.peers.connections_max,
                 "Connections of peers, over TCP and through bridges");
}

Result<void> Complete(WorkerOptions* options) {
  HNX_ASSIGN_OR_RETURN(options->endpoints, rpc::ParseEndpoints(fmt::format(
                                               "{}", fmt::join(options->coordinators, ","))));
  HNX_TRY(access::CheckClientAccess(options->access, options->endpoints));
  HNX_TRY(ReadRoles(options));
  if (!options->role_index &&
      (!options->index_holders.empty() || options->accept_length >= 0 || options->index_from_log)) {
    return InvalidArgument(
        "--index-holder, --accept-length and --index-from-log are for --role index");
  }
  options->peers.holders = options->index_holders;
  if (options->name.empty()) {
    options->name = HostName();
  }
  if (!options->advertise_peers.empty()) {
    if (options->peers.listen.empty()) {
      return InvalidArgument("--advertise-peers needs --listen-peers");
    }
    HNX_TRY(hyper::ParseHostPort(options->advertise_peers));
  }
  if (options->failure_domain.empty()) {
    options->failure_domain = HostName();
  }
  if (options->decode_threads == 0) {
    options->decode_threads = std::max(1U, std::thread::hardware_concurrency());
  }
  if (options->decode_threads > kDecodeThreadsMax) {
    return InvalidArgument(
        fmt::format("--decode-threads {}: at most {}", options->decode_threads, kDecodeThreadsMax));
  }
  if (options->memory_max < kMemoryMin) {
    return InvalidArgument(fmt::format("--memory-max {}: at least 4MiB", options->memory_max));
  }
  if (options->transfers_max == 0 || options->connections_per_host_max <= 0) {
    return InvalidArgument("--transfers-max and --connections-per-host-max: at least 1");
  }
  if (options->peers.connections_max == 0) {
    return InvalidArgument("--peer-connections-max: at least 1");
  }
  if (options->grace < kGraceMin) {
    return InvalidArgument("--grace: at least 1s");
  }
  if (options->shard_size_max == 0) {
    return InvalidArgument("--shard-size-max: more than 0");
  }
  return {};
}

std::string AdvertisedPeers(const WorkerOptions& options, const std::string& listening) {
  if (!options.advertise_peers.empty() || listening.empty()) {
    return options.advertise_peers;
  }
  const std::size_t colon = listening.rfind(':');
  const std::string host = listening.substr(0, colon);
  return host == "0.0.0.0" || host == "[::]" ? HostName() + listening.substr(colon) : listening;
}

}  // namespace hnx::worker
