#include "hyper/core/tree_store.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "base/check.h"

namespace hnx::hyper {
namespace {

// Slots that lie side by side are written together, this many at most.
constexpr std::size_t kSlotsPerWriteMax = 4096;

void StoreSlot(const TreeNode& node, Bytes& out) {
  std::array<std::byte, 8> size{};
  StoreLe64(node.size, size);
  AppendTo(out, size);
  AppendTo(out, node.hash.view());
}

}  // namespace

Result<TreeNode> TreeStore::Get(TreeIndex index) {
  const auto pending = pending_.find(index);
  if (pending != pending_.end()) {
    return pending->second;
  }
  if (cut_to_ && index.value() >= flat_tree::SlotCount(*cut_to_)) {
    return TreeNode{index, 0, {}};
  }
  std::array<std::byte, kTreeSlotBytes> slot{};
  HNX_TRY(pages_.Read(index.value() * kTreeSlotBytes, slot));
  TreeNode node{index, LoadLe64(ByteView(slot).first(8)), {}};
  std::memcpy(node.hash.bytes.data(), slot.data() + 8, Hash::kSize);
  return node;
}

Result<TreeNode> TreeStore::Require(TreeIndex index) {
  HNX_ASSIGN_OR_RETURN(TreeNode node, Get(index));
  if (node.blank()) {
    return DataLoss("core " + storage_.Name() + ": tree has no node " +
                    std::to_string(index.value()));
  }
  return node;
}

Result<MerkleTree> TreeStore::TreeOf(std::uint64_t length) {
  if (length > flat_tree::kBlocksMax) {
    return DataLoss("core " + storage_.Name() + ": oplog claims " + std::to_string(length) +
                    " blocks");
  }
  std::vector<TreeNode> roots;
  for (const TreeIndex index : flat_tree::FullRoots(length)) {
    HNX_ASSIGN_OR_RETURN(TreeNode root, Require(index));
    roots.push_back(root);
  }
  Result<MerkleTree> tree = MerkleTree::FromRoots(length, std::move(roots));
  if (!tree) {
    return tree.error().Annotate("core " + storage_.Name());
  }
  return tree;
}

Result<ByteRange> TreeStore::Locate(const MerkleTree& tree, BlockIndex block) {
  HNX_CHECK(block.value() <= tree.length());
  if (block.value() == tree.length()) {
    return ByteRange{ByteOffset(tree.byte_length()), ByteOffset(tree.byte_length())};
  }
  const TreeIndex leaf = flat_tree::LeafOf(block);
  std::uint64_t offset = 0;
  for (const TreeNode& root : tree.roots()) {
    if (flat_tree::RightSpan(root.index) < leaf) {
      offset += root.size;
      continue;
    }
    TreeIndex at = root.index;
    std::uint64_t size = root.size;
    while (at != leaf) {
      const auto [left, right] = flat_tree::Children(at);
      HNX_ASSIGN_OR_RETURN(const TreeNode left_node, Require(left));
      if (left_node.size > size) {
        return DataLoss("core " + storage_.Name() + ": tree node " + std::to_string(left.value()) +
                        " is larger than its parent");
      }
      if (leaf < at) {
        at = left;
        size = left_node.size;
      } else {
        offset += left_node.size;
        at = right;
        size -= left_node.size;
      }
    }
    return ByteRange{ByteOffset(offset), ByteOffset(offset + size)};
  }
  HNX_CHECK(false && "the roots cover every block");
  return Internal("unreachable");
}

Result<void> TreeStore::VerifyLeaf(const MerkleTree& tree, const TreeNode& leaf) {
  TreeNode node = leaf;
  for (;;) {
    const auto root =
        std::find_if(tree.roots().begin(), tree.roots().end(),
                     [&](const TreeNode& candidate) { return candidate.index == node.index; });
    if (root != tree.roots().end()) {
      if (*root == node) {
        return {};
      }
      return DataLoss(
          "core " + storage_.Name() + ": block " + std::to_string(leaf.index.value() / 2) +
          " does not hash up to the signed root " + std::to_string(root->index.value()));
    }
    HNX_ASSIGN_OR_RETURN(const TreeNode sibling, Require(flat_tree::Sibling(node.index)));
    node = node.index < sibling.index ? ParentOf(node, sibling) : ParentOf(sibling, node);
  }
}

void TreeStore::Put(const TreeNode& node) {
  pending_[node.index] = node;
}

void TreeStore::CutTo(std::uint64_t length) {
  const TreeIndex first_gone(flat_tree::SlotCount(length));
  pending_.erase(pending_.lower_bound(first_gone), pending_.end());
  cut_to_ = std::min(length, cut_to_.value_or(length));
  if (length == 0) {
    return;
  }
  // Parents left of the cut that reach over it. Above the first one that begins at leaf 0 there are
  // only nodes behind the cut.
  TreeIndex at = flat_tree::LeafOf(BlockIndex(length - 1));
  while (flat_tree::LeftSpan(at) > TreeIndex(0)) {
    at = flat_tree::Parent(at);
    if (at < first_gone && flat_tree::RightSpan(at) >= first_gone) {
      pending_[at] = TreeNode{at, 0, {}};
    }
  }
}

Result<void> TreeStore::WritePending() {
  if (cut_to_) {
    const std::uint64_t size_max = flat_tree::SlotCount(*cut_to_) * kTreeSlotBytes;
    HNX_ASSIGN_OR_RETURN(const std::uint64_t size, storage_.Size(CoreFile::kTree));
    if (size > size_max) {
      HNX_TRY(storage_.Truncate(CoreFile::kTree, size_max));
    }
  }
  auto at = pending_.begin();
  while (at != pending_.end()) {
    const TreeIndex first = at->first;
    Bytes run;
    for (std::uint64_t i = 0;
         i < kSlotsPerWriteMax && at != pending_.end() && at->first == first + i; ++i, ++at) {
      StoreSlot(at->second, run);
    }
    HNX_TRY(storage_.Write(CoreFile::kTree, first.value() * kTreeSlotBytes, run));
  }
  return {};
}

void TreeStore::Flushed() {
  pending_.clear();
  cut_to_.reset();
  pages_.Drop();
}

}  // namespace hnx::hyper
