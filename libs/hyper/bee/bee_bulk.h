// BeeBulkLoad: builds the tree of a Hyperbee bottom-up from sorted entries, for a bee that has none
// yet. Nodes are full (8 keys), so it takes less than half the bytes of as many puts, and needs
// memory only for one node per level. The result is a tree like any other: both JavaScript and
// BeeBatch go on from it. (To merge sorted entries into a tree that exists, use BeeBatch.)
//
// Each node stands in the block of its greatest descendant key, the root in the last block at level
// 0, so no node on the search path of a key stands in another block with that key.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/bee/bee_node.h"

namespace hnx::hyper {

// Threads: one.
class BeeBulkLoad {
 public:
  // The first entry's block will have the sequence number `first_seq` (>= 1: the header comes
  // first); exactly `count` entries will be added.
  BeeBulkLoad(std::uint64_t first_seq, std::uint64_t count);

  // The next entry's block. kInvalidArgument: keys not strictly ascending, or more than `count`.
  Result<Bytes> Add(ByteView key, ByteView value);

  bool complete() const { return added_ == count_; }

 private:
  // One level of the tree: `nodes` nodes hold keys - (nodes - 1) keys, the rest separate them and
  // stand one level higher.
  struct Level {
    std::uint64_t nodes = 0;
    std::uint64_t keys_each = 0;   // of the nodes from `longer` on
    std::uint64_t longer = 0;      // so many nodes at the front have one more
    std::uint64_t node_index = 0;  // of the node being filled
    BeeLevel node;

    std::uint64_t keys_wanted() const { return keys_each + (node_index < longer ? 1 : 0); }
  };

  std::uint64_t first_seq_;
  std::uint64_t count_;
  std::uint64_t added_ = 0;
  Bytes previous_key_;
  std::vector<Level> levels_;  // leaves first
};

}  // namespace hnx::hyper
