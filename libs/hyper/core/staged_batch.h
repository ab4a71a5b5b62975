// StagedBatch: what a replica received and will commit together: an upgrade and blocks whose bytes
// lie in `data`. Their nodes are with the StagedNodes.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "hyper/codec/index_types.h"
#include "hyper/core/oplog.h"
#include "hyper/core/proof_verifier.h"
#include "hyper/core/staged_nodes.h"

namespace hnx::hyper {

struct StagedBatch {
  std::optional<VerifiedProof::Upgrade> upgrade;
  std::set<BlockIndex> blocks;
  std::uint64_t bytes = 0;  // of the blocks

  bool empty() const { return !upgrade && blocks.empty(); }
  // Merged, in order.
  std::vector<BlockRange> Ranges() const;
  // One group for the oplog, with all nodes: an entry has but one range of blocks.
  std::vector<OplogEntry> Entries(const StagedNodes& nodes, std::uint64_t length_before) const;
  // What this one holds comes before what `later` holds.
  void Append(StagedBatch later);
};

}  // namespace hnx::hyper
