#include "gateway/far/peer_mirror.h"

#include <utility>

#include "base/log.h"

namespace hnx::gateway {
namespace {

hyper::PeerNodeEvents Report() {
  hyper::PeerNodeEvents events;
  events.on_liar = [](const hyper::DriveKey& core, const hyper::PublicKey& /*peer*/,
                      const hyper::ProofRefused& refused) {
    Log("gateway")->warn("a peer lied about core {}: {}", core.id(), refused.why);
  };
  events.on_conflict = [](const hyper::DriveKey& core, const hyper::TreeConflict& /*conflict*/) {
    Log("gateway")->error(
        "the owner of core {} signed two trees: it is frozen as it was. Ask whoever publishes it",
        core.id());
  };
  return events;
}

}  // namespace

PeerMirror::PeerMirror(std::unique_ptr<swarm::SwarmBridge> bridge,
                       std::unique_ptr<hyper::PeerNode> node,
                       std::unique_ptr<mirror::RemoteMirror> mirror)
    : bridge_(std::move(bridge)), node_(std::move(node)), mirror_(std::move(mirror)) {}

PeerMirror::~PeerMirror() {
  node_->Stop();
}

Result<std::unique_ptr<PeerMirror>> PeerMirror::Open(PeerMirrorOptions options) {
  std::error_code failed;
  std::filesystem::create_directories(options.cache, failed);
  if (failed) {
    return Unavailable("make the cache folder " + options.cache.string() + ": " + failed.message());
  }
  hyper::PeerNodeOptions node_options;
  node_options.listen = std::move(options.listen_peers);
  node_options.peers = std::move(options.peers);
  std::unique_ptr<swarm::SwarmBridge> bridge;
  if (options.swarm) {
    HNX_ASSIGN_OR_RETURN(bridge, swarm::SwarmBridge::Start(*options.swarm));
    node_options.swarm_socket = bridge->socket();
  }
  HNX_ASSIGN_OR_RETURN(auto node, hyper::PeerNode::Start(std::move(node_options), Report()));
  mirror::RemoteMirrorOptions mirror_options{.index_key = options.index_key,
                                             .cache = std::move(options.cache)};
  mirror_options.index_cache_bytes_max = options.index_cache_bytes_max;
  HNX_ASSIGN_OR_RETURN(auto mirror, mirror::RemoteMirror::Open(*node, std::move(mirror_options)));
  return std::unique_ptr<PeerMirror>(
      new PeerMirror(std::move(bridge), std::move(node), std::move(mirror)));
}

std::size_t PeerMirror::connections() {
  const auto statistics = node_->Statistics();
  return statistics ? statistics->streams : 0;
}

FarMirror::Traffic PeerMirror::traffic() {
  const auto statistics = node_->Statistics();
  return statistics ? Traffic{statistics->transport.bytes_in, statistics->transport.bytes_out}
                    : Traffic{};
}

}  // namespace hnx::gateway
