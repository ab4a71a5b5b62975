#include "hyper/node/node_loop.h"

#include <utility>

#include "base/log.h"
#include "hyper/node/loop_call.h"

namespace hnx::hyper {

NodeLoop::NodeLoop(PeerNodeOptions options, PeerNodeEvents events)
    : options_(std::move(options)),
      events_(std::move(events)),
      loop_("hnx-peers", Clock::Real()),
      transport_(loop_, options_.identity ? options_.identity->Clone() : KeyPair::Generate(),
                 options_.transport),
      disk_(loop_, "hnx-disk"),
      hashing_(loop_, "hnx-hash"),
      replicator_(
          std::make_unique<Replicator>(loop_.clock(), this, options_.transport.connections_max)),
      driver_(std::make_unique<ReplicatorDriver>(loop_, *replicator_)),
      dialer_(std::make_unique<PeerDialer>(transport_, [this](std::unique_ptr<PeerStream> stream) {
        return AddStream(std::move(stream));
      })) {
  const auto beside = [](BesideThread& thread) {
    return [&thread](std::function<void()> work, std::function<void()> done) {
      thread.Run(std::move(work), std::move(done));
    };
  };
  replicator_->SetHelpers({beside(disk_), beside(hashing_)});
}

Result<std::shared_ptr<NodeLoop>> NodeLoop::Start(PeerNodeOptions options, PeerNodeEvents events) {
  auto node = std::shared_ptr<NodeLoop>(new NodeLoop(std::move(options), std::move(events)));
  HNX_TRY(node->Listen());
  node->loop_.Start();
  node->started_ = true;
  const Result<void> started = CallOnLoop(node->loop_, [target = node.get()]() -> Result<void> {
    target->driver_->Start();
    for (const std::string& peer : target->options_.peers) {
      HNX_TRY(target->dialer_->Add(peer));
    }
    return {};
  });
  HNX_TRY(started);
  return node;
}

Result<void> NodeLoop::Listen() {
  const auto accept = [this](std::unique_ptr<PeerStream> stream) {
    (void)AddStream(std::move(stream));  // what failed was logged, the stream is closed
  };
  for (const std::string& address : options_.listen) {
    HNX_ASSIGN_OR_RETURN(auto listener, TcpListener::Listen(transport_, address, accept));
    addresses_.push_back(listener->address());
    listeners_.push_back(std::move(listener));
  }
  if (!options_.swarm_socket.empty()) {
    HNX_ASSIGN_OR_RETURN(swarm_, SwarmLink::Listen(transport_, options_.swarm_socket,
                                                   options_.transport.connections_max, accept,
                                                   [this] { PeersChanged(); }));
  }
  return {};
}

NodeLoop::~NodeLoop() {
  Stop();
}

void NodeLoop::Stop() {
  const MutexLock lock(stop_mutex_);
  if (std::exchange(stopped_, true)) {
    return;
  }
  if (!started_) {
    TearDown();
  } else {
    (void)CallOnLoop(loop_, [this]() -> Result<void> {
      TearDown();
      return {};
    });
  }
  loop_.Stop();
}

// What needs the others goes first.
void NodeLoop::TearDown() {
  listeners_.clear();
  swarm_.reset();
  dialer_.reset();
  driver_.reset();
  const std::unique_ptr<Replicator> replicator = std::move(replicator_);
  // What was fetched is committed with its core.
  const auto watchers = std::exchange(watchers_, {});
  for (const auto& [core, watcher] : watchers) {
    replicator->RemoveCore(core);
    if (const auto alive = watcher.lock()) {
      alive->OnNodeStopped();
    }
  }
}

Result<StreamId> NodeLoop::AddStream(std::unique_ptr<PeerStream> stream) {
  if (!replicator_) {
    return Error{ErrorCode::kCancelled, "the peer node is stopping"};
  }
  const std::string name = stream->remote_name();
  Result<StreamId> added = replicator_->AddStream(std::move(stream));
  if (!added) {
    Log("peers")->info("peer {} refused: {}", name, added.error().message);
  } else {
    Log("peers")->debug("peer {} connected", name);
  }
  PeersChanged();
  return added;
}

void NodeLoop::Watch(const CoreKey& core, std::weak_ptr<CoreWatcher> watcher) {
  watchers_[core] = std::move(watcher);
}

void NodeLoop::Unwatch(const CoreKey& core) {
  watchers_.erase(core);
}

void NodeLoop::SetTopic(const CoreKey& db, SwarmTopic wanted) {
  if (swarm_) {
    swarm_->SetTopic(DiscoveryKeyOf(db), wanted);
  }
}

SwarmState NodeLoop::swarm() const {
  return swarm_ ? swarm_->state() : SwarmState{};
}

PeerNodeStatistics NodeLoop::Statistics() const {
  PeerNodeStatistics all;
  all.transport = transport_.statistics();
  all.liars = liars_;
  all.conflicts = conflicts_;
  all.swarm = swarm();
  if (!replicator_) {
    return all;
  }
  all.streams = replicator_->stream_count();
  for (const CoreStatistics& core : replicator_->Statistics()) {
    ++all.cores;
    all.traffic.blocks_up += core.traffic.blocks_up;
    all.traffic.bytes_up += core.traffic.bytes_up;
    all.traffic.blocks_down += core.traffic.blocks_down;
    all.traffic.bytes_down += core.traffic.bytes_down;
    all.traffic.requests_in += core.traffic.requests_in;
    all.traffic.refused += core.traffic.refused;
  }
  return all;
}

bool NodeLoop::alone() const {
  if (!replicator_ || replicator_->stream_count() > 0 || !listeners_.empty() ||
      !dialer_->settled()) {
    return false;
  }
  const SwarmState state = swarm();
  return !state.configured || (state.settled && state.connections == 0);
}

// -- Events

std::shared_ptr<CoreWatcher> NodeLoop::WatcherOf(const CoreKey& core) const {
  const auto found = watchers_.find(core);
  return found == watchers_.end() ? nullptr : found->second.lock();
}

void NodeLoop::PeersChanged() {
  const auto watchers = watchers_;
  for (const auto& [core, watcher] : watchers) {
    if (const auto alive = watcher.lock()) {
      alive->OnPeersChanged();
    }
  }
}

void NodeLoop::OnStreamEnded(StreamId id, const PublicKey& peer, const Error& reason) {
  Log("peers")->debug("peer {} left: {}", peer.ToHex().substr(0, 8), reason.message);
  if (dialer_) {
    dialer_->OnStreamEnded(id, reason);
  }
  PeersChanged();
}

void NodeLoop::OnHead(const CoreKey& core, const CoreHead& head) {
  if (const auto watcher = WatcherOf(core)) {
    watcher->OnCoreHead(core, head);
  }
}

void NodeLoop::OnHeadConfirmed(const CoreKey& core) {
  if (const auto watcher = WatcherOf(core)) {
    watcher->OnCoreHeadConfirmed(core);
  }
}

void NodeLoop::OnBlocks(const CoreKey& core, BlockRange blocks) {
  if (const auto watcher = WatcherOf(core)) {
    watcher->OnCoreBlocks(core, blocks);
  }
}

void NodeLoop::OnLiar(const CoreKey& core, const PublicKey& peer, const ProofRefused& refused) {
  ++liars_;
  Log("peers")->warn("peer {} lied about core {}: {}", peer.ToHex().substr(0, 8), CoreKeyId(core),
                     refused.why);
  if (dialer_) {
    dialer_->OnLiar(peer);
  }
  if (events_.on_liar) {
    events_.on_liar(DriveKey(core.bytes), peer, refused);
  }
}

void NodeLoop::OnForkAhead(const CoreKey& core, const ForkAhead& fork) {
  Log("peers")->warn("core {}: a peer has it under fork {}, {}", CoreKeyId(core), fork.fork,
                     "which is not followed: a mirror's writer never cuts what was published");
}

void NodeLoop::OnConflict(const CoreKey& core, const TreeConflict& conflict) {
  ++conflicts_;
  Log("peers")->error(
      "core {}: its owner signed two different trees; it is frozen: neither read "
      "from peers nor served any more",
      CoreKeyId(core));
  if (const auto watcher = WatcherOf(core)) {
    watcher->OnCoreFrozen(core);
  }
  if (events_.on_conflict) {
    events_.on_conflict(DriveKey(core.bytes), conflict);
  }
}

void NodeLoop::OnTrouble(const CoreKey& core, const Error& error) {
  Log("peers")->warn("core {}: {}", CoreKeyId(core), error.ToString());
}

}  // namespace hnx::hyper
