// PeerMirror: a mirror read by a node of our own among peers, which also serves what it holds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/far/far_mirror.h"
#include "hyper/node/peer_node.h"
#include "mirror/remote_mirror.h"
#include "swarm/swarm_bridge.h"

namespace hnx::gateway {

struct PeerMirrorOptions {
  hyper::DriveKey index_key;
  std::filesystem::path cache;       // one folder per drive in it; made when missing
  std::vector<std::string> peers{};  // "HOST:PORT" each
  std::vector<std::string> listen_peers{};
  std::optional<swarm::SwarmOptions> swarm{};  // none: not in the swarm
  std::size_t index_cache_bytes_max = std::size_t{64} << 20;
};

class PeerMirror final : public FarMirror {
 public:
  static Result<std::unique_ptr<PeerMirror>> Open(PeerMirrorOptions options);
  // Stops the node: reads that wait return kCancelled.
  ~PeerMirror() override;
  PeerMirror(const PeerMirror&) = delete;
  PeerMirror& operator=(const PeerMirror&) = delete;
  PeerMirror(PeerMirror&&) = delete;
  PeerMirror& operator=(PeerMirror&&) = delete;

  hyper::RemoteDrive& index() override { return mirror_->index(); }
  Result<std::shared_ptr<const mirror::MirrorView>> View(const hyper::ReadLimits& limits) override {
    return mirror_->View(limits);
  }
  Result<std::shared_ptr<hyper::RemoteDrive>> Drive(const hyper::DriveKey& key) override {
    return mirror_->Drive(key);
  }
  Result<void> RemoveUnlisted(const hyper::DriveKey& key) override {
    return mirror_->RemoveUnlisted(key);
  }
  std::size_t connections() override;
  Traffic traffic() override;

  hyper::PeerNode& node() { return *node_; }

 private:
  PeerMirror(std::unique_ptr<swarm::SwarmBridge> bridge, std::unique_ptr<hyper::PeerNode> node,
             std::unique_ptr<mirror::RemoteMirror> mirror);

  const std::unique_ptr<swarm::SwarmBridge> bridge_;  // null: not in the swarm
  const std::unique_ptr<hyper::PeerNode> node_;
  const std::unique_ptr<mirror::RemoteMirror> mirror_;
};

}  // namespace hnx::gateway
