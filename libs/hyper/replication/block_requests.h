// BlockRequests: what a Downloader has asked of which peer and waits for. Internal to this folder.
//
// Threads: that of the Replicator.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "hyper/core/proof.h"
#include "hyper/replication/download_peer.h"

namespace hnx::hyper {

class BlockRequests {
 public:
  struct Request {
    DownloadPeer* peer = nullptr;
    ProofRequest proof;
    int priority = 0;
    Clock::SteadyTime sent;
  };

  // Its number. The peer owes it from now on.
  std::uint64_t Add(DownloadPeer& peer, const ProofRequest& proof, int priority,
                    Clock::SteadyTime now);
  // None: not in flight (any more).
  std::optional<Request> Find(std::uint64_t id) const;
  // Forgets it; none: it was not in flight.
  std::optional<Request> Take(std::uint64_t id);

  bool empty() const { return requests_.empty(); }
  // At a peer that is not overtaken.
  bool HasBlock(BlockIndex block) const;
  bool has_upgrade() const { return upgrade_.has_value(); }
  // The peer fell silent: its upgrade is asked for elsewhere.
  void GiveUpUpgradeOf(const DownloadPeer& peer);
  // The blocks that a peer owes.
  std::vector<BlockIndex> BlocksOf(const DownloadPeer& peer) const;
  // All requests for a block.
  std::vector<std::uint64_t> OfBlock(BlockIndex block) const;
  CoreSession& SessionOf(std::uint64_t id) const { return requests_.at(id).peer->session; }
  // Of those that an overtaken peer owes and nobody else was asked for, the first that `allowed`
  // lets pass.
  template <class Allowed>
  std::optional<Request> FindOvertaken(const Allowed& allowed) const {
    for (const auto& [block, id] : by_block_) {
      const Request& request = requests_.at(id);
      if (request.peer->overtaken && by_block_.count(block) < kAskedTwiceMax && allowed(request)) {
        return request;
      }
    }
    return std::nullopt;
  }

 private:
  // A block in flight: at how many peers at most.
  static constexpr std::size_t kAskedTwiceMax = 2;

  std::uint64_t last_ = 0;
  std::map<std::uint64_t, Request> requests_;
  std::multimap<BlockIndex, std::uint64_t> by_block_;
  std::optional<std::uint64_t> upgrade_;
};

}  // namespace hnx::hyper
