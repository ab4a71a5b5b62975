// The nodes of one tree, wherever they are kept, and what follows from them. A sparse core has only
// some of them.
//
// Threads: as the implementation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "hyper/codec/index_types.h"
#include "hyper/core/merkle_tree.h"

namespace hnx::hyper {

class TreeNodes {
 public:
  TreeNodes() = default;
  TreeNodes(const TreeNodes&) = delete;
  TreeNodes& operator=(const TreeNodes&) = delete;
  virtual ~TreeNodes() = default;

  // The node, blank when there is none.
  virtual Result<TreeNode> Get(TreeIndex index) = 0;
  // Whose nodes, for error messages.
  virtual std::string Name() const = 0;

  // The node; kDataLoss when there is none.
  Result<TreeNode> Require(TreeIndex index);
  // From the roots; kDataLoss when one is missing.
  Result<MerkleTree> TreeOf(std::uint64_t length);
  // The same, none when a root is missing.
  Result<std::optional<MerkleTree>> TryTreeOf(std::uint64_t length);
  // Where the blocks of `tree` lie; `block` may be one behind the last (then the range is empty).
  // kDataLoss when a node on the way is missing.
  Result<ByteRange> Locate(const MerkleTree& tree, BlockIndex block);
  // The same, none when a node on the way is missing.
  Result<std::optional<ByteRange>> TryLocate(const MerkleTree& tree, BlockIndex block);
  // Where the blocks below `node` lie, which must be a node of `tree`. None as above.
  Result<std::optional<ByteRange>> TryLocateNode(const MerkleTree& tree, TreeIndex node);
  // Checks that `leaf` is the leaf of its block, up to a root of `tree`; kDataLoss when not.
  Result<void> VerifyLeaf(const MerkleTree& tree, const TreeNode& leaf);

 private:
  Error Missing(TreeIndex index) const;
};

}  // namespace hnx::hyper
