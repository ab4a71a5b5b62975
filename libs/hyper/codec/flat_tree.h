// Arithmetic of the flat tree (docs/formats/hypercore-tree.md): a binary tree numbered in order, so
// that block i is node 2i and parents stand between their children.
//
//        3
//      1   5        depth(0) = 0, depth(1) = 1, depth(3) = 2
//     0 2 4 6
//
// Pure functions; no node beyond 2^63 exists (kTreeIndexMax), which callers check on foreign input.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "hyper/codec/index_types.h"

namespace hnx::hyper::flat_tree {

// The greatest number of blocks: far above any disk, low enough that no arithmetic here overflows.
inline constexpr std::uint64_t kBlocksMax = std::uint64_t{1} << 48;

TreeIndex LeafOf(BlockIndex block);
// The block of a leaf; `leaf` must be even.
BlockIndex BlockOf(TreeIndex leaf);

unsigned Depth(TreeIndex node);
TreeIndex Parent(TreeIndex node);
TreeIndex Sibling(TreeIndex node);
// Left and right child; `node` must be odd.
std::pair<TreeIndex, TreeIndex> Children(TreeIndex node);
// The first and the last leaf below (or at) the node.
TreeIndex LeftSpan(TreeIndex node);
TreeIndex RightSpan(TreeIndex node);
// Blocks [begin, end) below the node.
BlockRange BlocksBelow(TreeIndex node);

// The roots of the full trees that cover blocks [0, length), left to right: one for each set bit.
std::vector<TreeIndex> FullRoots(std::uint64_t length);

// The number of node slots (leaves, parents and gaps) that a tree of `length` blocks may use: the
// smallest n such that every node of the tree is < n.
std::uint64_t SlotCount(std::uint64_t length);

}  // namespace hnx::hyper::flat_tree
