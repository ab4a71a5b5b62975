#include "hyper/core/staged_batch.h"

#include <utility>

namespace hnx::hyper {

std::vector<BlockRange> StagedBatch::Ranges() const {
  std::vector<BlockRange> ranges;
  for (const BlockIndex block : blocks) {
    if (!ranges.empty() && ranges.back().end == block) {
      ranges.back().end = block + 1;
    } else {
      ranges.push_back({block, block + 1});
    }
  }
  return ranges;
}

std::vector<OplogEntry> StagedBatch::Entries(const StagedNodes& nodes,
                                             std::uint64_t length_before) const {
  std::vector<OplogEntry> entries;
  if (!nodes.staged().empty() || upgrade) {
    OplogEntry& entry = entries.emplace_back();
    for (const auto& [index, node] : nodes.staged()) {
      entry.nodes.push_back(node);
    }
    if (upgrade) {
      entry.upgrade = TreeUpgrade{upgrade->head.fork, length_before, upgrade->head.length,
                                  upgrade->head.signature};
    }
  }
  for (const BlockRange& range : Ranges()) {
    if (entries.empty() || entries.back().bitfield) {
      entries.emplace_back();
    }
    entries.back().bitfield = BitfieldUpdate{false, range};
  }
  return entries;
}

void StagedBatch::Append(StagedBatch later) {
  if (later.upgrade) {
    upgrade = std::move(later.upgrade);
  }
  blocks.merge(later.blocks);
  bytes += later.bytes;
}

}  // namespace hnx::hyper
