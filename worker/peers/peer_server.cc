#include "worker/peers/peer_server.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "worker/peers/accepted_file.h"

namespace hnx::worker {

PeerServer::PeerServer(const DataDirectory& data, std::vector<std::string> holders,
                       std::vector<std::string> others, std::unique_ptr<swarm::SwarmBridge> bridge,
                       std::unique_ptr<hyper::PeerNode> node)
    : data_(data),
      holders_(std::move(holders)),
      others_(std::move(others)),
      bridge_(std::move(bridge)),
      node_(std::move(node)) {}

PeerServer::~PeerServer() = default;

Result<std::unique_ptr<PeerServer>> PeerServer::Start(const PeerServerOptions& options,
                                                      const DataDirectory& data, Metrics& metrics) {
  hyper::PeerNodeOptions node;
  if (!options.listen.empty()) {
    node.listen.push_back(options.listen);
  }
  std::unique_ptr<swarm::SwarmBridge> bridge;
  if (options.swarm.Wanted(false)) {
    HNX_ASSIGN_OR_RETURN(bridge, swarm::SwarmBridge::Start(options.swarm));
    node.swarm_socket = bridge->socket();
  }
  node.peers = options.holders;
  node.peers.insert(node.peers.end(), options.others.begin(), options.others.end());
  node.transport.connections_max = options.connections_max;
  node.transport.send_bytes_per_second = options.rate_max;
  node.transport.peer.send_bytes_per_second = options.rate_each_max;
  HNX_ASSIGN_OR_RETURN(auto started, hyper::PeerNode::Start(std::move(node)));
  auto server = std::unique_ptr<PeerServer>(
      new PeerServer(data, options.holders, options.others, std::move(bridge), std::move(started)));
  server->ShowMetrics(metrics);
  if (!server->address().empty()) {
    Log("peers")->info("serving peers on {}", server->address());
  }
  if (server->bridge_ != nullptr) {
    Log("peers")->info("swarm bridges are let in on {}", server->bridge_->socket());
  }
  return server;
}

std::string PeerServer::address() const {
  return node_->addresses().empty() ? std::string() : node_->addresses().front();
}

void PeerServer::SetSources(std::vector<std::string> addresses) {
  std::set<std::string> sources(std::make_move_iterator(addresses.begin()),
                                std::make_move_iterator(addresses.end()));
  for (const auto* always : {&holders_, &others_}) {
    for (const std::string& address : *always) {
      sources.erase(address);
    }
  }
  const MutexLock lock(mutex_);
  for (const std::string& address : sources_) {
    if (!sources.contains(address)) {
      node_->RemovePeer(address);
    }
  }
  for (const std::string& address : sources) {
    if (sources_.contains(address)) {
      continue;
    }
    if (const Result<void> dialled = node_->AddPeer(address); !dialled) {
      Log("peers")->warn("dial {}, which has a shard to copy: {}", address,
                         dialled.error().message);
    }
  }
  sources_ = std::move(sources);
}

void PeerServer::Committed(const hyper::DriveKey& key, const hyper::DriveKey& content_key,
                           const hyper::SignedDriveHead& head) {
  const MutexLock lock(mutex_);
  if (!heads_.Committed(key, head)) {
    return;
  }
  hyper::ServedDrive drive{key, content_key, data_.DriveFolder(key), hyper::HeadRule::kAccepted};
  if (const Result<void> added = node_->AddServedDrive(drive); !added) {
    Log("peers")->error("serve drive {}: {}", key.id(), added.error().ToString());
    return;
  }
  Log("peers")->info("drive {} is served to peers", key.id());
  // What peers were told before this process.
  const auto before = ReadAcceptedFile(drive.folder);
  if (before && IsPastOf(*before, head)) {
    if (const Result<void> announced = node_->SetAccepted(key, *before); !announced) {
      Log("peers")->error("announce drive {} at length {}: {}", key.id(), before->db.length,
                          announced.error().ToString());
    }
  }
}

void PeerServer::Recorded(const hyper::DriveKey& key, const hyper::DriveHead& head) {
  const MutexLock lock(mutex_);
  const auto accepted = heads_.Recorded(key, head);
  if (!accepted) {
    return;
  }
  if (const Result<void> announced = node_->SetAccepted(key, *accepted); !announced) {
    Log("peers")->error("announce drive {} at length {}: {}", key.id(), head.db_length,
                        announced.error().ToString());
    return;
  }
  if (const Result<void> kept = WriteAcceptedFile(data_.DriveFolder(key), *accepted); !kept) {
    Log("peers")->warn("drive {}: {}", key.id(), kept.error().ToString());
  }
}

DriveHeads::Held PeerServer::Acknowledged(const hyper::DriveKey& key,
                                          const hyper::DriveKey& content_key) {
  if (holders_.empty()) {
    return {};  // other workers are dialled for their shards only
  }
  const auto dialled = node_->DialledPeers();
  if (!dialled.has_value() || dialled->empty()) {
    return {};
  }
  const auto cores = node_->Cores();
  if (!cores.has_value()) {
    return {};
  }
  const auto held_of = [&](const hyper::DriveKey& core, const hyper::PublicKey& peer) {
    std::uint64_t length = 0;
    for (const hyper::CoreStatistics& one : *cores) {
      if (one.key.bytes != core.bytes()) {
        continue;
      }
      for (const hyper::CorePeer& at : one.peers) {
        length = at.key == peer ? std::max(length, at.contiguous_length) : length;
      }
    }
    return length;
  };
  Held most;
  for (const hyper::PublicKey& peer : *dialled) {
    const Held held{held_of(key, peer), held_of(content_key, peer)};
    if (held.db_length > most.db_length) {
      most = held;
    }
  }
  return most;
}

void PeerServer::ShowMetrics(Metrics& metrics) {
  using Statistics = hyper::PeerNodeStatistics;
  const auto reading = [this](auto read) {
    return [this, read] {
      const auto statistics = node_->Statistics();
      return statistics ? static_cast<double>(read(*statistics)) : 0.0;
    };
  };
  metrics.ShowGauge("hnx_worker_peers", "Peers connected now",
                    reading([](const Statistics& all) { return all.streams; }));
  metrics.ShowCounter("hnx_worker_peer_sent_bytes_total", "Bytes sent to peers",
                      reading([](const Statistics& all) { return all.transport.bytes_out; }));
  metrics.ShowCounter("hnx_worker_peer_blocks_served_total", "Blocks sent to peers",
                      reading([](const Statistics& all) { return all.traffic.blocks_up; }));
  metrics.ShowCounter(
      "hnx_worker_peer_connections_refused_total", "Connections refused by a limit",
      reading([](const Statistics& all) { return all.transport.connections_refused; }));
  metrics.ShowGauge("hnx_worker_swarm_bridges", "Swarm bridges connected now",
                    reading([](const Statistics& all) { return all.swarm.bridges; }));
}

}  // namespace hnx::worker
