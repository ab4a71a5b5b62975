// PeerServer: serves the worker's drives to peers, over TCP and through swarm bridges. Peers are
// told of heads that the coordinator has accepted and of no others; a drive without one is
// announced as empty. Cores are opened when a peer asks for them, growth is told to connected peers
// at once.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "hyper/node/peer_node.h"
#include "swarm/swarm_bridge.h"
#include "worker/data_directory.h"
#include "worker/metrics.h"
#include "worker/peers/accepted_heads.h"
#include "worker/peers/drive_heads.h"

namespace hnx::worker {

inline constexpr std::size_t kPeerConnectionsMaxDefault = 256;

struct PeerServerOptions {
  std::string listen;  // HOST:PORT; empty: not over TCP
  swarm::SwarmOptions swarm{.swarm = "off", .program = {}, .bootstrap = {}};
  // HOST:PORT each, dialled: who has acknowledged what of the index is heard from them.
  std::vector<std::string> holders;
  std::vector<std::string> others;  // the same, for what they have of lost shards
  std::size_t connections_max = kPeerConnectionsMaxDefault;
  // Bytes a second to all peers, and to each; 0: no limit.
  std::uint64_t rate_max = 0;
  std::uint64_t rate_each_max = 0;

  bool wanted() const {
    return !listen.empty() || swarm.Wanted(false) || !holders.empty() || !others.empty();
  }
};

class PeerServer final : public DriveHeads {
 public:
  // `data` and `metrics` must outlive it, and metrics must not be read after it.
  static Result<std::unique_ptr<PeerServer>> Start(const PeerServerOptions& options,
                                                   const DataDirectory& data, Metrics& metrics);
  ~PeerServer() override;
  PeerServer(const PeerServer&) = delete;
  PeerServer& operator=(const PeerServer&) = delete;
  PeerServer(PeerServer&&) = delete;
  PeerServer& operator=(PeerServer&&) = delete;

  // "127.0.0.1:4711"; empty: not over TCP.
  std::string address() const;
  // Dials these from now on, and those of the options; no others.
  void SetSources(std::vector<std::string> addresses) HNX_EXCLUDES(mutex_);
  // As of PeerNode: read from peers, and served to others.
  Result<std::shared_ptr<hyper::RemoteDrive>> OpenRemote(const hyper::DriveKey& key,
                                                         hyper::RemoteDriveOptions options) {
    return node_->OpenRemote(key, std::move(options));
  }
  void Stop() { node_->Stop(); }

  void Committed(const hyper::DriveKey& key, const hyper::DriveKey& content_key,
                 const hyper::SignedDriveHead& head) override HNX_EXCLUDES(mutex_);
  void Recorded(const hyper::DriveKey& key, const hyper::DriveHead& head) override
      HNX_EXCLUDES(mutex_);
  // Nothing but what the holders that this worker dials say of themselves counts; who comes from
  // outside may say anything.
  Held Acknowledged(const hyper::DriveKey& key, const hyper::DriveKey& content_key) override;

 private:
  PeerServer(const DataDirectory& data, std::vector<std::string> holders,
             std::vector<std::string> others, std::unique_ptr<swarm::SwarmBridge> bridge,
             std::unique_ptr<hyper::PeerNode> node);
  void ShowMetrics(Metrics& metrics);

  const DataDirectory& data_;
  const std::vector<std::string> holders_;
  const std::vector<std::string> others_;
  const std::unique_ptr<swarm::SwarmBridge> bridge_;  // null: not in the swarm
  const std::unique_ptr<hyper::PeerNode> node_;
  // Held while the node is told, so that heads reach it in order; never on the node's thread.
  Mutex mutex_;
  AcceptedHeads heads_ HNX_GUARDED_BY(mutex_);
  std::set<std::string> sources_ HNX_GUARDED_BY(mutex_);  // dialled, no holders among them
};

}  // namespace hnx::worker
