#include "hyp/peer_access.h"

#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "base/log.h"
#include "cli/environment.h"

namespace hnx::hyp {

namespace {

namespace fs = std::filesystem;

// A Unix socket's path is short: not below the data folder, which may lie anywhere.
Result<fs::path> MakeSocketFolder() {
  std::string name =
      cli::EnvironmentVariable("XDG_RUNTIME_DIR").value_or("/tmp") + "/hyp-swarm-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) {
    return Errno("create folder", name);
  }
  return fs::path(name);
}

}  // namespace

Result<std::unique_ptr<PeerAccess>> PeerAccess::Start(const PeerOptions& options,
                                                      PeerAccessOptions more) {
  std::unique_ptr<PeerAccess> access(new PeerAccess());
  hyper::PeerNodeOptions node;
  node.listen = std::move(more.listen);
  node.peers = options.peers;
  node.transport = more.transport;
  node.identity = std::move(more.identity);
  fs::path program;
  if (options.wants_swarm()) {
    node.swarm_socket = options.swarm;
    if (options.swarm == "auto") {
      program = options.swarm_program;
      if (program.empty()) {
        HNX_ASSIGN_OR_RETURN(program, BridgeProcess::FindProgram());
      }
      HNX_ASSIGN_OR_RETURN(access->socket_folder_, MakeSocketFolder());
      node.swarm_socket = access->socket_folder_ / "socket";
    }
  }
  const std::string socket = node.swarm_socket;
  HNX_ASSIGN_OR_RETURN(access->node_, hyper::PeerNode::Start(std::move(node)));
  if (!program.empty()) {
    HNX_ASSIGN_OR_RETURN(access->bridge_,
                         BridgeProcess::Start(program, socket, options.swarm_bootstrap));
  }
  return access;
}

PeerAccess::~PeerAccess() {
  if (node_ != nullptr) {
    node_->Stop();
  }
  bridge_.reset();
  node_.reset();
  if (!socket_folder_.empty()) {
    std::error_code ignored;
    fs::remove_all(socket_folder_, ignored);
  }
}

}  // namespace hnx::hyp
