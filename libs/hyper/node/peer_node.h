// PeerNode: this process among its peers. One thread (hnx-peers) on which all connections live:
// those that were accepted (TCP), those that were dialled, and those that swarm bridges bring; all
// cores are served and fetched on all of them.
//
//   auto node = PeerNode::Start({.listen = {"0.0.0.0:4711"}, .peers = {"peer.example:4711"}});
//   (*node)->AddServedDrive({.key = key, .content_key = content, .folder = folder});
//   (*node)->SetAccepted(key, head);
//
// Threads: every method may be called from any thread but the node's own; callbacks come on the
// node's thread and must not block.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "hyper/core/crypto.h"
#include "hyper/drive/drive_key.h"
#include "hyper/drive/hyperdrive.h"
#include "hyper/node/remote_drive.h"
#include "hyper/node/swarm_link.h"
#include "hyper/replication/reader_core.h"
#include "hyper/replication/replicator.h"
#include "hyper/transport/transport.h"

namespace hnx::hyper {

// Peers dialled by address.
inline constexpr std::size_t kDialledPeersMax = 256;
// After a failure or a lost connection it is dialled again after so long, doubling, with jitter.
inline constexpr std::chrono::milliseconds kRedialDelayMin{100};
inline constexpr std::chrono::milliseconds kRedialDelayMax{30'000};
// A peer that lied is left alone for so long.
inline constexpr std::chrono::milliseconds kLiarPause{600'000};
inline constexpr std::chrono::milliseconds kDialTimeout{10'000};

struct PeerNodeOptions {
  std::vector<std::string> listen;  // "HOST:PORT" each; port 0: a free one
  std::vector<std::string> peers;   // "HOST:PORT" each, dialled as long as the node runs
  // Unix socket on which swarm bridges are let in; empty: none.
  std::string swarm_socket;
  TransportOptions transport;
  // The name under which peers know this side; none: a new one for each start.
  std::optional<KeyPair> identity;
};

// A drive that this or another process writes, or a whole copy, in a folder of this machine.
struct ServedDrive {
  DriveKey key;
  DriveKey content_key;
  std::filesystem::path folder;  // with cores/ in it
  // kAccepted: peers are told of heads that SetAccepted was given, and of no others.
  HeadRule rule = HeadRule::kNewest;
  bool announce = true;  // in the swarm
};

struct PeerNodeStatistics {
  TransportStatistics transport;
  std::size_t streams = 0;
  CoreSessionStatistics traffic;  // all cores, since the start
  std::uint64_t liars = 0;
  std::uint64_t conflicts = 0;
  std::size_t cores = 0;
  SwarmState swarm;
};

// Called on the node's thread.
struct PeerNodeEvents {
  std::function<void(const DriveKey& core, const PublicKey& peer, const ProofRefused&)> on_liar;
  std::function<void(const DriveKey& core, const TreeConflict&)> on_conflict;
};

class PeerNode {
 public:
  // Returns when it listens. Errors name the address.
  static Result<std::unique_ptr<PeerNode>> Start(PeerNodeOptions options,
                                                 PeerNodeEvents events = {});
  // Stops.
  virtual ~PeerNode() = default;
  PeerNode(const PeerNode&) = delete;
  PeerNode& operator=(const PeerNode&) = delete;

  // Closes every connection and ends the thread; reads that wait return kCancelled. Idempotent.
  virtual void Stop() = 0;

  // As bound, in the order of PeerNodeOptions::listen.
  virtual const std::vector<std::string>& addresses() const = 0;
  virtual const PublicKey& public_key() const = 0;

  // -- Serving. kAlreadyExists: the node has that drive. Its cores are opened when a peer asks.
  virtual Result<void> AddServedDrive(const ServedDrive& drive) = 0;
  // The head that peers may be told of from now on: durable, and accepted by whoever decides. Heads
  // only grow: an older one than was given before is ignored. kNotFound: no such drive.
  virtual Result<void> SetAccepted(const DriveKey& key, const SignedDriveHead& head) = 0;
  // Its writer committed or cleared something: look now instead of within a second.
  virtual void RefreshServed(const DriveKey& key) = 0;
  virtual void RemoveServedDrive(const DriveKey& key) = 0;

  // -- Reading. kAlreadyExists: it is open, or served.
  virtual Result<std::shared_ptr<RemoteDrive>> OpenRemote(const DriveKey& key,
                                                          RemoteDriveOptions options) = 0;

  // -- Peers
  // Dial it, now and whenever the connection is lost. kInvalidArgument: no HOST:PORT.
  virtual Result<void> AddPeer(const std::string& address) = 0;
  virtual void RemovePeer(const std::string& address) = 0;
  // The keys of those of them that are connected now, as in CorePeer.
  virtual Result<std::vector<PublicKey>> DialledPeers() = 0;

  virtual SwarmState swarm() const = 0;
  virtual Result<PeerNodeStatistics> Statistics() = 0;
  virtual Result<std::vector<CoreStatistics>> Cores() = 0;

 protected:
  PeerNode() = default;
};

}  // namespace hnx::hyper
