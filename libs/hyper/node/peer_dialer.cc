#include "hyper/node/peer_dialer.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "hyper/node/peer_node.h"
#include "hyper/transport/socket_address.h"

namespace hnx::hyper {
namespace {

using std::chrono::milliseconds;

constexpr RetryPolicy kRedial{.base = kRedialDelayMin, .cap = kRedialDelayMax};
// A connection that held so long starts the delays anew.
constexpr milliseconds kGoodConnection{10'000};

}  // namespace

struct PeerDialer::Peer {
  explicit Peer(std::string address_in) : address(std::move(address_in)) {}

  const std::string address;
  std::unique_ptr<TcpConnector> connector;
  EventLoop::TimerId timer = EventLoop::TimerId::kNone;
  std::optional<StreamId> stream;
  std::optional<PublicKey> key;
  Clock::SteadyTime connected;
  int failures = 0;
  bool tried = false;
  bool lied = false;
};

PeerDialer::PeerDialer(Transport& transport, AddStream add_stream)
    : transport_(transport), add_stream_(std::move(add_stream)) {}

PeerDialer::~PeerDialer() {
  for (const auto& [address, peer] : peers_) {
    transport_.loop().Cancel(peer->timer);
  }
}

Result<void> PeerDialer::Add(const std::string& address) {
  HNX_TRY(ParseHostPort(address));
  if (peers_.size() >= kDialledPeersMax) {
    return ResourceExhausted("dial " + address + ": more than " + std::to_string(kDialledPeersMax) +
                             " peers");
  }
  const auto [at, added] = peers_.try_emplace(address);
  if (added) {
    at->second = std::make_unique<Peer>(address);
    Dial(*at->second);
  }
  return {};
}

void PeerDialer::Remove(const std::string& address) {
  const auto found = peers_.find(address);
  if (found != peers_.end()) {
    transport_.loop().Cancel(found->second->timer);
    peers_.erase(found);
  }
}

void PeerDialer::Dial(Peer& peer) {
  peer.timer = EventLoop::TimerId::kNone;
  peer.connector =
      std::make_unique<TcpConnector>(transport_, peer.address, kDialTimeout,
                                     [this, &peer](Result<std::unique_ptr<PeerStream>> stream) {
                                       OnDialled(peer, std::move(stream));
                                     });
}

void PeerDialer::OnDialled(Peer& peer, Result<std::unique_ptr<PeerStream>> stream) {
  peer.tried = true;
  if (!stream) {
    if (peer.failures == 0) {
      Log("peers")->info("peer {}: {}", peer.address, stream.error().message);
    }
    Retry(peer, milliseconds(0));
    return;
  }
  const PublicKey key = (*stream)->remote_public_key();
  if (key == transport_.public_key()) {
    (*stream)->Close(FailedPrecondition("peer " + peer.address + " is this process itself"));
    Log("peers")->info("peer {} is this process itself", peer.address);
    Retry(peer, kLiarPause);
    return;
  }
  const Result<StreamId> added = add_stream_(*std::move(stream));
  if (!added) {
    Log("peers")->info("peer {}: {}", peer.address, added.error().message);
    Retry(peer, milliseconds(0));
    return;
  }
  peer.key = key;
  peer.stream = *added;
  peer.connected = transport_.loop().clock().Steady();
  Log("peers")->info("peer {}: connected", peer.address);
}

void PeerDialer::Retry(Peer& peer, milliseconds at_least) {
  ++peer.failures;
  const milliseconds delay = std::max(at_least, kRedial.Delay(peer.failures, random_));
  peer.timer = transport_.loop().After(delay, [this, &peer] { Dial(peer); });
}

void PeerDialer::OnStreamEnded(StreamId id, const Error& reason) {
  for (const auto& [address, peer] : peers_) {
    if (peer->stream != id) {
      continue;
    }
    peer->stream.reset();
    Log("peers")->info("peer {}: connection ended: {}", address, reason.message);
    if (transport_.loop().clock().Steady() - peer->connected >= kGoodConnection) {
      peer->failures = 0;
    }
    Retry(*peer, std::exchange(peer->lied, false) ? kLiarPause : milliseconds(0));
    return;
  }
}

void PeerDialer::OnLiar(const PublicKey& key) {
  for (const auto& [address, peer] : peers_) {
    if (peer->key == key && peer->stream) {
      peer->lied = true;
    }
  }
}

std::vector<PublicKey> PeerDialer::Connected() const {
  std::vector<PublicKey> keys;
  for (const auto& [address, peer] : peers_) {
    if (peer->stream && peer->key) {
      keys.push_back(*peer->key);
    }
  }
  return keys;
}

bool PeerDialer::settled() const {
  return std::all_of(peers_.begin(), peers_.end(),
                     [](const auto& peer) { return peer.second->tried; });
}

}  // namespace hnx::hyper
