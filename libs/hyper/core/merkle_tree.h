// The Merkle tree of a core, without I/O: the roots, and what appending does to them
// (docs/formats/hypercore-tree.md).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/codec/flat_tree.h"
#include "hyper/codec/index_types.h"
#include "hyper/core/crypto.h"

namespace hnx::hyper {

struct TreeNode {
  TreeIndex index;
  std::uint64_t size = 0;  // bytes of all blocks below
  Hash hash;

  // What an unwritten slot of the file `tree` reads as; no real node looks so.
  bool blank() const { return size == 0 && hash == Hash{}; }
  friend bool operator==(const TreeNode&, const TreeNode&) = default;
};

// Hash(0x00 || u64le size || block).
Hash LeafHash(ByteView block);
// Hash(0x01 || u64le size || left || right) over two siblings, `left` being the smaller index.
TreeNode ParentOf(const TreeNode& left, const TreeNode& right);

// The leaf hash of a block that comes in pieces. The length must be known beforehand.
class LeafHasher {
 public:
  explicit LeafHasher(std::uint64_t block_length);
  ~LeafHasher();
  LeafHasher(LeafHasher&&) noexcept;
  LeafHasher& operator=(LeafHasher&&) noexcept;
  LeafHasher(const LeafHasher&) = delete;
  LeafHasher& operator=(const LeafHasher&) = delete;
  void Update(ByteView piece);
  // All pieces together must have had the promised length.
  Hash Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A value: copy it, append to the copy, keep the copy or drop it.
class MerkleTree {
 public:
  // The empty tree.
  MerkleTree() = default;
  // From roots in the order of flat_tree::FullRoots(length); kDataLoss when one is not where it
  // belongs.
  static Result<MerkleTree> FromRoots(std::uint64_t length, std::vector<TreeNode> roots);

  std::uint64_t length() const { return length_; }
  std::uint64_t byte_length() const { return byte_length_; }
  const std::vector<TreeNode>& roots() const { return roots_; }
  // Hash(0x02 || for each root: hash || u64le index || u64le size).
  Hash hash() const;

  // Appends a block with this leaf hash; every node that comes into being (the leaf first) is added
  // to `created`.
  void Append(const Hash& leaf_hash, std::uint64_t block_length, std::vector<TreeNode>& created);
  // Whether the blocks below `node` may come next: it begins behind the last block, and no larger
  // tree to its left is yet to be completed.
  bool Fits(TreeIndex node) const;
  // Appends all blocks below a node that fits; as Append.
  void AppendSubtree(const TreeNode& node, std::vector<TreeNode>& created);

  friend bool operator==(const MerkleTree&, const MerkleTree&) = default;

 private:
  std::uint64_t length_ = 0;
  std::uint64_t byte_length_ = 0;
  std::vector<TreeNode> roots_;
};

}  // namespace hnx::hyper
