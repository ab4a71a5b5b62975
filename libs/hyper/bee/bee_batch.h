// BeeBatch: puts and deletions applied to a Hyperbee in memory, then written as one append.
//
// Each effective operation becomes one block, in order: sequence number = base + its position. The
// shape of the tree after each operation is exactly JavaScript's. A tree node that changed is
// written once, in the block of the last operation below it, so the root stands in the last block,
// a parent never before its children, and the cost is that of the surviving nodes only.
//
// The reader's shortcut: JavaScript's get(K) returns a block's value at once when the block that
// carries a node on the way has the key K. So after an operation on K every node on the search path
// of K must be written in that operation's block or a later one. A put walks that path anyway. When
// a deletion replaces a key of an inner node by its neighbour, the path of K leads into the other
// subtree from then on; that path is rewritten too. (JavaScript itself does not: there a deleted
// key can come back in get, docs/formats/hyperbee.md.)
//
// Memory: the operations, and the nodes on their paths; never the tree.
// Determinism: Encode is a pure function of (tree, operations).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/bee/bee_store.h"

namespace hnx::hyper {

class BeeTree;

// Threads: one. After an error (a block could not be read) the batch is useless: drop it.
class BeeBatch {
 public:
  // Upon the tree of a core of `length` blocks. With length 0 the batch begins with a header block.
  // The store must outlive the batch and see no other writer meanwhile.
  BeeBatch(const BeeStore& store, std::uint64_t length);
  ~BeeBatch();
  BeeBatch(BeeBatch&&) noexcept;
  BeeBatch& operator=(BeeBatch&&) = delete;
  BeeBatch(const BeeBatch&) = delete;
  BeeBatch& operator=(const BeeBatch&) = delete;

  Result<void> Put(ByteView key, ByteView value);
  // False: there is no such key, and no block is written for it.
  Result<bool> Del(ByteView key);
  // Effective operations, and the bytes of their keys and values.
  std::size_t operations() const;
  std::size_t bytes() const;

  // The blocks to append, header included when the core is empty and there is any operation. Ends
  // the batch.
  std::vector<Bytes> Encode() &&;

 private:
  std::unique_ptr<BeeTree> tree_;
  std::uint64_t length_;
  std::size_t bytes_ = 0;
};

}  // namespace hnx::hyper
