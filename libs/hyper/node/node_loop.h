// NodeLoop: what lives on the node's thread: loop, transport, replicator, listeners, dialled peers
// and the swarm link, in the order in which they need one another. Internal to this folder.
//
// Held by the PeerNode and by every RemoteDrive: after Stop it answers nothing, and is there.
//
// Threads: Start, Stop and loop() from any thread but the loop's; everything else on the loop's.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "hyper/node/peer_dialer.h"
#include "hyper/node/peer_node.h"
#include "hyper/node/read_ahead_budget.h"
#include "hyper/node/swarm_link.h"
#include "hyper/replication/beside_thread.h"
#include "hyper/replication/replicator.h"
#include "hyper/replication/replicator_driver.h"
#include "hyper/transport/event_loop.h"
#include "hyper/transport/tcp_listener.h"
#include "hyper/transport/transport.h"

namespace hnx::hyper {

// Told of one replica, on the loop's thread.
class CoreWatcher {
 public:
  virtual ~CoreWatcher() = default;
  virtual void OnCoreHead(const CoreKey& core, const CoreHead& head) = 0;
  virtual void OnCoreHeadConfirmed(const CoreKey& core) = 0;
  virtual void OnCoreBlocks(const CoreKey& core, BlockRange blocks) = 0;
  virtual void OnCoreFrozen(const CoreKey& core) = 0;
  // The bridges or the dialled peers came to an end of their search, or began a new one.
  virtual void OnPeersChanged() = 0;
  // Its core is gone.
  virtual void OnNodeStopped() = 0;
};

class NodeLoop final : public ReplicationListener {
 public:
  static Result<std::shared_ptr<NodeLoop>> Start(PeerNodeOptions options, PeerNodeEvents events);
  ~NodeLoop() override;
  NodeLoop(const NodeLoop&) = delete;
  NodeLoop& operator=(const NodeLoop&) = delete;
  NodeLoop(NodeLoop&&) = delete;
  NodeLoop& operator=(NodeLoop&&) = delete;

  void Stop() HNX_EXCLUDES(stop_mutex_);

  EventLoop& loop() { return loop_; }
  // Threads: any.
  ReadAheadBudget& read_ahead() { return read_ahead_; }
  const std::vector<std::string>& addresses() const { return addresses_; }
  const PublicKey& public_key() const { return transport_.public_key(); }
  const Clock& clock() const { return loop_.clock(); }

  // Null once it is stopping.
  Replicator* replicator() { return replicator_.get(); }
  PeerDialer* dialer() { return dialer_.get(); }
  void Watch(const CoreKey& core, std::weak_ptr<CoreWatcher> watcher);
  void Unwatch(const CoreKey& core);
  void SetTopic(const CoreKey& db, SwarmTopic wanted);
  SwarmState swarm() const;
  PeerNodeStatistics Statistics() const;
  // Nobody is being dialled or looked up any more, and there is no connection.
  bool alone() const;

  void OnStreamEnded(StreamId id, const PublicKey& peer, const Error& reason) override;
  void OnHead(const CoreKey& core, const CoreHead& head) override;
  void OnHeadConfirmed(const CoreKey& core) override;
  void OnBlocks(const CoreKey& core, BlockRange blocks) override;
  void OnLiar(const CoreKey& core, const PublicKey& peer, const ProofRefused& refused) override;
  void OnForkAhead(const CoreKey& core, const ForkAhead& fork) override;
  void OnConflict(const CoreKey& core, const TreeConflict& conflict) override;
  void OnTrouble(const CoreKey& core, const Error& error) override;

 private:
  NodeLoop(PeerNodeOptions options, PeerNodeEvents events);
  Result<void> Listen();
  Result<StreamId> AddStream(std::unique_ptr<PeerStream> stream);
  void TearDown();
  void PeersChanged();
  std::shared_ptr<CoreWatcher> WatcherOf(const CoreKey& core) const;

  const PeerNodeOptions options_;
  const PeerNodeEvents events_;
  ReadAheadBudget read_ahead_;
  EventLoop loop_;
  Transport transport_;
  std::vector<std::string> addresses_;

  std::map<CoreKey, std::weak_ptr<CoreWatcher>> watchers_;
  std::uint64_t liars_ = 0;
  std::uint64_t conflicts_ = 0;
  BesideThread disk_;
  BesideThread hashing_;
  std::unique_ptr<Replicator> replicator_;
  std::unique_ptr<ReplicatorDriver> driver_;
  std::unique_ptr<PeerDialer> dialer_;
  std::unique_ptr<SwarmLink> swarm_;
  std::vector<std::unique_ptr<TcpListener>> listeners_;

  bool started_ = false;  // of the thread that starts and destroys it, before others know of it
  Mutex stop_mutex_;
  bool stopped_ HNX_GUARDED_BY(stop_mutex_) = false;
};

}  // namespace hnx::hyper
