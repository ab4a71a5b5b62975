#include "hyper/node/peer_node.h"

#include <utility>

#include "hyper/node/loop_call.h"
#include "hyper/node/node_loop.h"
#include "hyper/node/remote_drive_impl.h"
#include "hyper/storage/flat_core_storage.h"

namespace hnx::hyper {
namespace {

CoreKey CoreKeyOf(const DriveKey& key) {
  CoreKey core;
  core.bytes = key.bytes();
  return core;
}

class RunningPeerNode final : public PeerNode {
 public:
  explicit RunningPeerNode(std::shared_ptr<NodeLoop> node) : node_(std::move(node)) {}
  ~RunningPeerNode() override { node_->Stop(); }

  void Stop() override { node_->Stop(); }
  const std::vector<std::string>& addresses() const override { return node_->addresses(); }
  const PublicKey& public_key() const override { return node_->public_key(); }

  Result<void> AddServedDrive(const ServedDrive& drive) override {
    return OnLoop([this, drive](Replicator& replicator) -> Result<void> {
      const CoreKey db = CoreKeyOf(drive.key);
      const CoreKey content = CoreKeyOf(drive.content_key);
      HNX_TRY(replicator.AddFolder(db, CoreFolder(drive.folder, DiscoveryKeyOf(db)), drive.rule));
      const Result<void> added = replicator.AddFolder(
          content, CoreFolder(drive.folder, DiscoveryKeyOf(content)), drive.rule);
      if (!added) {
        replicator.RemoveCore(db);
        return added;
      }
      served_.insert_or_assign(drive.key, Served{content, {}});
      node_->SetTopic(db, {.announce = drive.announce, .lookup = false});
      return {};
    });
  }

  Result<void> SetAccepted(const DriveKey& key, const SignedDriveHead& head) override {
    return OnLoop([this, key, head](Replicator& replicator) -> Result<void> {
      const auto found = served_.find(key);
      if (found == served_.end()) {
        return NotFound("announce drive " + key.id() + ": it is not served here");
      }
      Served& served = found->second;
      // The content first: what an entry names is there when the entry is.
      if (head.content.length > served.accepted.content.length) {
        HNX_TRY(replicator.SetAccepted(served.content, head.content));
        served.accepted.content = head.content;
      }
      if (head.db.length > served.accepted.db.length) {
        HNX_TRY(replicator.SetAccepted(CoreKeyOf(key), head.db));
        served.accepted.db = head.db;
      }
      return {};
    });
  }

  void RefreshServed(const DriveKey& key) override {
    node_->loop().Post([this, node = node_, key] {
      const auto found = served_.find(key);
      if (node->replicator() != nullptr && found != served_.end()) {
        for (const CoreKey& core : {found->second.content, CoreKeyOf(key)}) {
          if (const Result<void> looked = node->replicator()->Refresh(core); !looked) {
            node->OnTrouble(core, looked.error());
          }
        }
      }
    });
  }

  void RemoveServedDrive(const DriveKey& key) override {
    (void)OnLoop([this, key](Replicator& replicator) -> Result<void> {
      const auto found = served_.find(key);
      if (found != served_.end()) {
        node_->SetTopic(CoreKeyOf(key), {});
        replicator.RemoveCore(CoreKeyOf(key));
        replicator.RemoveCore(found->second.content);
        served_.erase(found);
      }
      return {};
    });
  }

  Result<std::shared_ptr<RemoteDrive>> OpenRemote(const DriveKey& key,
                                                  RemoteDriveOptions options) override {
    return RemoteDriveImpl::Open(node_, key, std::move(options));
  }

  Result<void> AddPeer(const std::string& address) override {
    return OnLoop([this, address](Replicator&) { return node_->dialer()->Add(address); });
  }
  void RemovePeer(const std::string& address) override {
    (void)OnLoop([this, address](Replicator&) -> Result<void> {
      node_->dialer()->Remove(address);
      return {};
    });
  }

  Result<std::vector<PublicKey>> DialledPeers() override {
    return CallOnLoop(node_->loop(), [node = node_]() -> Result<std::vector<PublicKey>> {
      return node->replicator() == nullptr ? std::vector<PublicKey>() : node->dialer()->Connected();
    });
  }

  SwarmState swarm() const override {
    return CallOnLoop(node_->loop(),
                      [node = node_]() -> Result<SwarmState> { return node->swarm(); })
        .value_or(SwarmState{});
  }
  Result<PeerNodeStatistics> Statistics() override {
    return CallOnLoop(node_->loop(), [node = node_]() -> Result<PeerNodeStatistics> {
      return node->Statistics();
    });
  }
  Result<std::vector<CoreStatistics>> Cores() override {
    return CallOnLoop(node_->loop(), [node = node_]() -> Result<std::vector<CoreStatistics>> {
      return node->replicator() == nullptr ? std::vector<CoreStatistics>()
                                           : node->replicator()->Statistics();
    });
  }

 private:
  struct Served {
    CoreKey content;
    SignedDriveHead accepted;
  };

  template <class Function>
  Result<void> OnLoop(Function function) {
    return CallOnLoop(node_->loop(), [node = node_, function]() -> Result<void> {
      if (node->replicator() == nullptr) {
        return Error{ErrorCode::kCancelled, "the peer node has stopped"};
      }
      return function(*node->replicator());
    });
  }

  const std::shared_ptr<NodeLoop> node_;
  std::map<DriveKey, Served> served_;  // of the loop's thread
};

}  // namespace

Result<std::unique_ptr<PeerNode>> PeerNode::Start(PeerNodeOptions options, PeerNodeEvents events) {
  HNX_ASSIGN_OR_RETURN(auto node, NodeLoop::Start(std::move(options), std::move(events)));
  return std::unique_ptr<PeerNode>(std::make_unique<RunningPeerNode>(std::move(node)));
}

}  // namespace hnx::hyper
