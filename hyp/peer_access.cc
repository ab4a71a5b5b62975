#include "hyp/peer_access.h"

#include <utility>

namespace hnx::hyp {

Result<std::unique_ptr<PeerAccess>> PeerAccess::Start(const PeerOptions& options,
                                                      PeerAccessOptions more) {
  std::unique_ptr<PeerAccess> access(new PeerAccess());
  hyper::PeerNodeOptions node;
  node.listen = std::move(more.listen);
  node.peers = options.peers;
  node.transport = more.transport;
  node.identity = std::move(more.identity);
  if (options.wants_swarm()) {
    HNX_ASSIGN_OR_RETURN(access->bridge_, swarm::SwarmBridge::Start(options.swarm));
    node.swarm_socket = access->bridge_->socket();
  }
  HNX_ASSIGN_OR_RETURN(access->node_, hyper::PeerNode::Start(std::move(node)));
  return access;
}

}  // namespace hnx::hyp
