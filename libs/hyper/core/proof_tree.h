// ProofTree: hashes the lists of a proof together into roots. The inside of VerifyProof: it says
// what a proof claims; whether that is true is for the caller to compare.
//
// Which sizes can be believed: a parent's hash covers the hashes of its children and the sum of
// their sizes. Of two siblings that a peer merely lists it could therefore shift bytes from one to
// the other and misplace every block behind them. So a node counts as known only when its size
// follows from a hash: it was computed (its own hash covers its size), or its sibling was, or it is
// a root of the signed tree (whose hash covers each root's size).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "hyper/core/merkle_tree.h"
#include "hyper/core/proof.h"

namespace hnx::hyper {

class ProofTree {
 public:
  // What is wrong with a list; none when nothing is.
  using Fault = std::optional<std::string>;

  // Refuses what no tree has: lists too long, nodes out of range, sizes whose sum could overflow.
  static Fault CheckLimits(const Proof& proof);

  // Hashes seek, block and hash up to one node, folded(). CheckLimits must have passed.
  // `leaf_hash`: of the block, when it was hashed already; else null.
  Fault Fold(const Proof& proof, const Hash* leaf_hash);
  // Grows `tree` by the upgrade, to upgrade.start + upgrade.length. Takes the folded node where it
  // stands for one of the tree.
  Fault Grow(const UpgradeProof& upgrade, MerkleTree& tree);
  // Goes on to the length that is signed.
  Fault GrowAdditional(const UpgradeProof& upgrade, MerkleTree& tree);
  // The roots of a tree whose signature was found right have right sizes.
  void KeepRoots(const MerkleTree& tree);

  // What seek, block and hash lead to and no upgrade took: to be compared with what is known.
  const std::optional<TreeNode>& folded() const { return folded_; }
  // The nodes with known sizes, in order.
  std::vector<TreeNode> Nodes() const;

 private:
  class Queue;
  struct Claim {
    TreeNode node;
    bool sized = false;  // its size follows from a hash
  };

  Fault FoldList(const std::vector<TreeNode>& nodes, Claim at, bool at_is_listed);
  Fault GrowTo(std::uint64_t length, MerkleTree& tree, Queue& queue);
  void Append(MerkleTree& tree, const Claim& claim);
  void Keep(const TreeNode& node, bool sized);

  std::optional<TreeNode> folded_;
  bool folded_sized_ = false;
  std::map<TreeIndex, TreeNode> kept_;
  std::map<TreeIndex, bool> roots_sized_;  // of roots that the proof listed
};

}  // namespace hnx::hyper
