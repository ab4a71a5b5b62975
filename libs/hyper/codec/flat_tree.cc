#include "hyper/codec/flat_tree.h"

#include <bit>

#include "base/check.h"

namespace hnx::hyper::flat_tree {

TreeIndex LeafOf(BlockIndex block) {
  return TreeIndex(block.value() * 2);
}

BlockIndex BlockOf(TreeIndex leaf) {
  HNX_CHECK(leaf.value() % 2 == 0);
  return BlockIndex(leaf.value() / 2);
}

unsigned Depth(TreeIndex node) {
  return static_cast<unsigned>(std::countr_one(node.value()));
}

TreeIndex Parent(TreeIndex node) {
  // The bit above the trailing ones tells left child from right; the parent clears it and sets the
  // one below.
  const unsigned depth = Depth(node);
  const std::uint64_t side = std::uint64_t{2} << depth;
  return TreeIndex((node.value() & ~side) | (side >> 1));
}

TreeIndex Sibling(TreeIndex node) {
  return TreeIndex(node.value() ^ (std::uint64_t{2} << Depth(node)));
}

std::pair<TreeIndex, TreeIndex> Children(TreeIndex node) {
  const unsigned depth = Depth(node);
  HNX_CHECK(depth > 0);
  const std::uint64_t step = std::uint64_t{1} << (depth - 1);
  return {node - step, node + step};
}

TreeIndex LeftSpan(TreeIndex node) {
  return node - ((std::uint64_t{1} << Depth(node)) - 1);
}

TreeIndex RightSpan(TreeIndex node) {
  return node + ((std::uint64_t{1} << Depth(node)) - 1);
}

BlockRange BlocksBelow(TreeIndex node) {
  return {BlockOf(LeftSpan(node)), BlockOf(RightSpan(node)) + 1};
}

std::vector<TreeIndex> FullRoots(std::uint64_t length) {
  HNX_CHECK(length <= kBlocksMax);
  std::vector<TreeIndex> roots;
  std::uint64_t first_block = 0;
  while (length > first_block) {
    const std::uint64_t blocks = std::bit_floor(length - first_block);
    roots.push_back(TreeIndex(first_block * 2 + blocks - 1));
    first_block += blocks;
  }
  return roots;
}

std::uint64_t SlotCount(std::uint64_t length) {
  return length == 0 ? 0 : length * 2 - 1;
}

}  // namespace hnx::hyper::flat_tree
