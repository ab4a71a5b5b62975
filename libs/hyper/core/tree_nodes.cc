#include "hyper/core/tree_nodes.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"

namespace hnx::hyper {

Error TreeNodes::Missing(TreeIndex index) const {
  return DataLoss("core " + Name() + ": tree has no node " + std::to_string(index.value()));
}

Result<TreeNode> TreeNodes::Require(TreeIndex index) {
  HNX_ASSIGN_OR_RETURN(TreeNode node, Get(index));
  if (node.blank()) {
    return Missing(index);
  }
  return node;
}

Result<MerkleTree> TreeNodes::TreeOf(std::uint64_t length) {
  if (length > flat_tree::kBlocksMax) {
    return DataLoss("core " + Name() + ": oplog claims " + std::to_string(length) + " blocks");
  }
  std::vector<TreeNode> roots;
  for (const TreeIndex index : flat_tree::FullRoots(length)) {
    HNX_ASSIGN_OR_RETURN(TreeNode root, Require(index));
    roots.push_back(root);
  }
  Result<MerkleTree> tree = MerkleTree::FromRoots(length, std::move(roots));
  if (!tree) {
    return tree.error().Annotate("core " + Name());
  }
  return tree;
}

Result<std::optional<MerkleTree>> TreeNodes::TryTreeOf(std::uint64_t length) {
  for (const TreeIndex index : flat_tree::FullRoots(length)) {
    HNX_ASSIGN_OR_RETURN(const TreeNode root, Get(index));
    if (root.blank()) {
      return std::optional<MerkleTree>();
    }
  }
  HNX_ASSIGN_OR_RETURN(MerkleTree tree, TreeOf(length));
  return std::optional(std::move(tree));
}

Result<std::optional<ByteRange>> TreeNodes::TryLocateNode(const MerkleTree& tree, TreeIndex node) {
  std::uint64_t offset = 0;
  for (const TreeNode& root : tree.roots()) {
    if (flat_tree::RightSpan(root.index) < flat_tree::LeftSpan(node)) {
      offset += root.size;
      continue;
    }
    TreeIndex at = root.index;
    std::uint64_t size = root.size;
    while (at != node) {
      const auto [left, right] = flat_tree::Children(at);
      HNX_ASSIGN_OR_RETURN(const TreeNode left_node, Get(left));
      if (left_node.blank()) {
        return std::optional<ByteRange>();
      }
      if (left_node.size > size) {
        return DataLoss("core " + Name() + ": tree node " + std::to_string(left.value()) +
                        " is larger than its parent");
      }
      if (node < at) {
        at = left;
        size = left_node.size;
      } else {
        offset += left_node.size;
        at = right;
        size -= left_node.size;
      }
    }
    return std::optional(ByteRange{ByteOffset(offset), ByteOffset(offset + size)});
  }
  HNX_CHECK(false && "the roots cover every block");
  return Internal("unreachable");
}

Result<std::optional<ByteRange>> TreeNodes::TryLocate(const MerkleTree& tree, BlockIndex block) {
  HNX_CHECK(block.value() <= tree.length());
  if (block.value() == tree.length()) {
    const ByteOffset end(tree.byte_length());
    return std::optional(ByteRange{end, end});
  }
  return TryLocateNode(tree, flat_tree::LeafOf(block));
}

Result<ByteRange> TreeNodes::Locate(const MerkleTree& tree, BlockIndex block) {
  HNX_ASSIGN_OR_RETURN(const std::optional<ByteRange> range, TryLocate(tree, block));
  if (!range) {
    return DataLoss("core " + Name() + ": tree lacks a node on the way to block " +
                    std::to_string(block.value()));
  }
  return *range;
}

Result<void> TreeNodes::VerifyLeaf(const MerkleTree& tree, const TreeNode& leaf) {
  TreeNode node = leaf;
  for (;;) {
    const auto root =
        std::find_if(tree.roots().begin(), tree.roots().end(),
                     [&](const TreeNode& candidate) { return candidate.index == node.index; });
    if (root != tree.roots().end()) {
      if (*root == node) {
        return {};
      }
      return DataLoss("core " + Name() + ": block " + std::to_string(leaf.index.value() / 2) +
                      " does not hash up to the signed root " +
                      std::to_string(root->index.value()));
    }
    HNX_ASSIGN_OR_RETURN(const TreeNode sibling, Require(flat_tree::Sibling(node.index)));
    node = node.index < sibling.index ? ParentOf(node, sibling) : ParentOf(sibling, node);
  }
}

}  // namespace hnx::hyper
