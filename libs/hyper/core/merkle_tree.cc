#include "hyper/core/merkle_tree.h"

#include <array>
#include <string>

#include "base/check.h"
#include "hyper/core/blake2b.h"

namespace hnx::hyper {
namespace {

// Domains of the three kinds of hash.
constexpr std::byte kLeaf{0};
constexpr std::byte kParent{1};
constexpr std::byte kRoots{2};

std::array<std::byte, 8> Le64(std::uint64_t value) {
  std::array<std::byte, 8> out{};
  StoreLe64(value, out);
  return out;
}

Blake2b256 BeginLeaf(std::uint64_t block_length) {
  Blake2b256 hasher;
  hasher.Update(ByteView(&kLeaf, 1));
  hasher.Update(Le64(block_length));
  return hasher;
}

}  // namespace

Hash LeafHash(ByteView block) {
  Blake2b256 hasher = BeginLeaf(block.size());
  hasher.Update(block);
  return Hash{hasher.Finish()};
}

TreeNode ParentOf(const TreeNode& left, const TreeNode& right) {
  HNX_CHECK(flat_tree::Sibling(left.index) == right.index && left.index < right.index);
  const std::uint64_t size = left.size + right.size;
  Blake2b256 hasher;
  hasher.Update(ByteView(&kParent, 1));
  hasher.Update(Le64(size));
  hasher.Update(left.hash.view());
  hasher.Update(right.hash.view());
  return {flat_tree::Parent(left.index), size, Hash{hasher.Finish()}};
}

struct LeafHasher::State {
  Blake2b256 hasher;
  std::uint64_t bytes_left;
};

LeafHasher::LeafHasher(std::uint64_t block_length)
    : state_(new State{BeginLeaf(block_length), block_length}) {}
LeafHasher::~LeafHasher() = default;
LeafHasher::LeafHasher(LeafHasher&&) noexcept = default;
LeafHasher& LeafHasher::operator=(LeafHasher&&) noexcept = default;

void LeafHasher::Update(ByteView piece) {
  HNX_CHECK(piece.size() <= state_->bytes_left);
  state_->bytes_left -= piece.size();
  state_->hasher.Update(piece);
}

Hash LeafHasher::Finish() {
  HNX_CHECK(state_->bytes_left == 0);
  return Hash{state_->hasher.Finish()};
}

Result<MerkleTree> MerkleTree::FromRoots(std::uint64_t length, std::vector<TreeNode> roots) {
  if (length > flat_tree::kBlocksMax) {
    return DataLoss("Merkle tree: a length of " + std::to_string(length) + " blocks is no length");
  }
  const std::vector<TreeIndex> expected = flat_tree::FullRoots(length);
  if (roots.size() != expected.size()) {
    return DataLoss("Merkle tree of " + std::to_string(length) + " blocks: expected " +
                    std::to_string(expected.size()) + " roots, got " +
                    std::to_string(roots.size()));
  }
  MerkleTree tree;
  for (std::size_t i = 0; i < roots.size(); ++i) {
    if (roots[i].index != expected[i] || roots[i].blank() ||
        roots[i].size > UINT64_MAX - tree.byte_length_) {
      return DataLoss("Merkle tree of " + std::to_string(length) + " blocks: root node " +
                      std::to_string(expected[i].value()) + " is missing or impossible");
    }
    tree.byte_length_ += roots[i].size;
  }
  tree.length_ = length;
  tree.roots_ = std::move(roots);
  return tree;
}

Hash MerkleTree::hash() const {
  Blake2b256 hasher;
  hasher.Update(ByteView(&kRoots, 1));
  for (const TreeNode& root : roots_) {
    hasher.Update(root.hash.view());
    hasher.Update(Le64(root.index.value()));
    hasher.Update(Le64(root.size));
  }
  return Hash{hasher.Finish()};
}

void MerkleTree::Append(const Hash& leaf_hash, std::uint64_t block_length,
                        std::vector<TreeNode>& created) {
  AppendSubtree({flat_tree::LeafOf(BlockIndex(length_)), block_length, leaf_hash}, created);
}

bool MerkleTree::Fits(TreeIndex node) const {
  const std::uint64_t blocks = std::uint64_t{1} << flat_tree::Depth(node);
  return flat_tree::BlocksBelow(node).begin.value() == length_ && length_ % blocks == 0 &&
         blocks <= flat_tree::kBlocksMax - length_;
}

void MerkleTree::AppendSubtree(const TreeNode& node, std::vector<TreeNode>& created) {
  HNX_CHECK(Fits(node.index));
  roots_.push_back(node);
  created.push_back(node);
  const std::uint64_t blocks = std::uint64_t{1} << flat_tree::Depth(node.index);
  length_ += blocks;
  byte_length_ += node.size;
  // One merge for each trailing zero bit that the new length has above the subtree's size, as in
  // binary addition.
  for (std::uint64_t rest = length_ / blocks; rest % 2 == 0; rest /= 2) {
    const TreeNode parent = ParentOf(roots_[roots_.size() - 2], roots_.back());
    roots_.pop_back();
    roots_.back() = parent;
    created.push_back(parent);
  }
}

}  // namespace hnx::hyper
