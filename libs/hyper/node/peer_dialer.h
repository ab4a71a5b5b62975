// PeerDialer: keeps a connection to each peer of a list, and dials again when one is lost. Internal
// to this folder.
//
// Threads: the loop's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/retry_policy.h"
#include "hyper/replication/replicator.h"
#include "hyper/transport/tcp_connector.h"
#include "hyper/transport/transport.h"

namespace hnx::hyper {

class PeerDialer {
 public:
  // Takes a stream that was dialled; gives the replicator's number of it.
  using AddStream = std::function<Result<StreamId>(std::unique_ptr<PeerStream>)>;
  PeerDialer(Transport& transport, AddStream add_stream);
  ~PeerDialer();
  PeerDialer(const PeerDialer&) = delete;
  PeerDialer& operator=(const PeerDialer&) = delete;
  PeerDialer(PeerDialer&&) = delete;
  PeerDialer& operator=(PeerDialer&&) = delete;

  // kResourceExhausted: kDialledPeersMax.
  Result<void> Add(const std::string& address);
  // The connection stays.
  void Remove(const std::string& address);

  void OnStreamEnded(StreamId id, const Error& reason);
  void OnLiar(const PublicKey& peer);
  // The keys of the peers that are connected now.
  std::vector<PublicKey> Connected() const;
  // Every peer is connected, or failed at its last attempt.
  bool settled() const;

 private:
  struct Peer;

  void Dial(Peer& peer);
  void OnDialled(Peer& peer, Result<std::unique_ptr<PeerStream>> stream);
  void Retry(Peer& peer, std::chrono::milliseconds at_least);

  Transport& transport_;
  const AddStream add_stream_;
  std::mt19937_64 random_{std::random_device{}()};
  std::map<std::string, std::unique_ptr<Peer>> peers_;
};

}  // namespace hnx::hyper
