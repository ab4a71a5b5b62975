#include "hyper/replication/block_requests.h"

#include <algorithm>

namespace hnx::hyper {

std::uint64_t BlockRequests::Add(DownloadPeer& peer, const ProofRequest& proof, int priority,
                                 Clock::SteadyTime now) {
  const std::uint64_t id = ++last_;
  if (proof.block) {
    by_block_.emplace(proof.block->index, id);
  }
  if (proof.upgrade) {
    upgrade_ = id;
  }
  peer.OnAsked(id, now);
  requests_.emplace(id, Request{&peer, proof, priority, now});
  return id;
}

std::optional<BlockRequests::Request> BlockRequests::Find(std::uint64_t id) const {
  const auto found = requests_.find(id);
  return found == requests_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<BlockRequests::Request> BlockRequests::Take(std::uint64_t id) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) {
    return std::nullopt;
  }
  const Request request = found->second;
  requests_.erase(found);
  request.peer->requests.erase(id);
  if (upgrade_ == id) {
    upgrade_.reset();
  }
  if (request.proof.block) {
    const auto [first, last] = by_block_.equal_range(request.proof.block->index);
    const auto at =
        std::find_if(first, last, [id](const auto& entry) { return entry.second == id; });
    if (at != last) {
      by_block_.erase(at);
    }
  }
  return request;
}

bool BlockRequests::HasBlock(BlockIndex block) const {
  const auto [first, last] = by_block_.equal_range(block);
  return std::any_of(first, last, [this](const auto& entry) {
    return !requests_.at(entry.second).peer->overtaken;
  });
}

void BlockRequests::GiveUpUpgradeOf(const DownloadPeer& peer) {
  if (upgrade_ && peer.requests.contains(*upgrade_)) {
    upgrade_.reset();
  }
}

std::vector<BlockIndex> BlockRequests::BlocksOf(const DownloadPeer& peer) const {
  std::vector<BlockIndex> blocks;
  for (const std::uint64_t id : peer.requests) {
    if (const auto& block = requests_.at(id).proof.block) {
      blocks.push_back(block->index);
    }
  }
  return blocks;
}

std::vector<std::uint64_t> BlockRequests::OfBlock(BlockIndex block) const {
  std::vector<std::uint64_t> ids;
  const auto [first, last] = by_block_.equal_range(block);
  for (auto at = first; at != last; ++at) {
    ids.push_back(at->second);
  }
  return ids;
}

}  // namespace hnx::hyper
