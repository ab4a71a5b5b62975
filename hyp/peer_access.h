// PeerAccess: this process among peers, as --peer, --swarm and --listen say: the node, and the
// bridge that it needs.
//
// Threads: one makes and destroys it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "hyp/peer_options.h"
#include "hyper/core/crypto.h"
#include "hyper/node/peer_node.h"
#include "swarm/swarm_bridge.h"

namespace hnx::hyp {

struct PeerAccessOptions {
  std::vector<std::string> listen;
  hyper::TransportOptions transport;
  std::optional<hyper::KeyPair> identity;
};

class PeerAccess {
 public:
  // kNotFound: the swarm is wanted and cannot be had; says what to install, or to name a peer.
  static Result<std::unique_ptr<PeerAccess>> Start(const PeerOptions& options,
                                                   PeerAccessOptions more);
  ~PeerAccess() = default;
  PeerAccess(const PeerAccess&) = delete;
  PeerAccess& operator=(const PeerAccess&) = delete;
  PeerAccess(PeerAccess&&) = delete;
  PeerAccess& operator=(PeerAccess&&) = delete;

  hyper::PeerNode& node() { return *node_; }

 private:
  PeerAccess() = default;

  std::unique_ptr<swarm::SwarmBridge> bridge_;  // outlives the node; null: not in the swarm
  std::unique_ptr<hyper::PeerNode> node_;
};

}  // namespace hnx::hyp
