#include "hyper/core/proof_tree.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "base/check.h"

namespace hnx::hyper {
namespace {

// No node has more bytes, so that no sum of those of a proof overflows.
constexpr std::uint64_t kNodeBytesMax = std::uint64_t{1} << 50;

std::string Name(TreeIndex index) {
  return "node " + std::to_string(index.value());
}

bool InRange(TreeIndex index) {
  return index.value() < flat_tree::SlotCount(flat_tree::kBlocksMax);
}

}  // namespace

// The nodes of a list in their order, and the folded node, which stands in for one of them.
class ProofTree::Queue {
 public:
  Queue(const std::vector<TreeNode>& nodes, std::optional<Claim> folded)
      : nodes_(nodes), folded_(folded) {}

  bool empty() const { return listed_taken() && !folded_; }
  bool listed_taken() const { return at_ == nodes_.size(); }
  const std::optional<Claim>& folded() const { return folded_; }

  // None when neither is that node.
  std::optional<Claim> Take(TreeIndex index) {
    if (folded_ && folded_->node.index == index) {
      return std::exchange(folded_, std::nullopt);
    }
    if (listed_taken() || nodes_[at_].index != index) {
      return std::nullopt;
    }
    return Claim{nodes_[at_++], false};
  }

 private:
  const std::vector<TreeNode>& nodes_;
  std::size_t at_ = 0;
  std::optional<Claim> folded_;
};

ProofTree::Fault ProofTree::CheckLimits(const Proof& proof) {
  if ((proof.block && proof.block->index.value() >= flat_tree::kBlocksMax) ||
      (proof.hash && !InRange(proof.hash->index))) {
    return "a block or node beyond every limit";
  }
  const std::array<const std::vector<TreeNode>*, 5> lists = {
      proof.block ? &proof.block->nodes : nullptr,
      proof.hash ? &proof.hash->nodes : nullptr,
      proof.seek ? &proof.seek->nodes : nullptr,
      proof.upgrade ? &proof.upgrade->nodes : nullptr,
      proof.upgrade ? &proof.upgrade->additional_nodes : nullptr,
  };
  for (const std::vector<TreeNode>* nodes : lists) {
    if (nodes == nullptr) {
      continue;
    }
    if (nodes->size() > kProofNodesMax) {
      return "a list of " + std::to_string(nodes->size()) + " nodes";
    }
    for (const TreeNode& node : *nodes) {
      if (!InRange(node.index) || node.size > kNodeBytesMax) {
        return Name(node.index) + " of " + std::to_string(node.size) +
               " bytes is beyond every limit";
      }
    }
  }
  if (proof.upgrade && proof.upgrade->signature.size() > kProofSignatureBytesMax) {
    return "a signature of " + std::to_string(proof.upgrade->signature.size()) + " bytes";
  }
  return {};
}

void ProofTree::Keep(const TreeNode& node, bool sized) {
  if (sized) {
    kept_[node.index] = node;
  }
}

ProofTree::Fault ProofTree::FoldList(const std::vector<TreeNode>& nodes, Claim at,
                                     bool at_is_listed) {
  std::optional<Claim> folded;
  if (folded_) {
    folded = Claim{*std::exchange(folded_, std::nullopt), folded_sized_};
  }
  Queue queue(nodes, folded);
  if (at_is_listed) {
    const std::optional<Claim> first = queue.Take(at.node.index);
    if (!first) {
      return "expected " + Name(at.node.index);
    }
    at = *first;
  }
  while (!queue.empty()) {
    const TreeIndex sibling_index = flat_tree::Sibling(at.node.index);
    const std::optional<Claim> sibling = queue.Take(sibling_index);
    if (!sibling) {
      return "expected " + Name(sibling_index);
    }
    const bool sized = at.sized || sibling->sized;
    Keep(at.node, sized);
    Keep(sibling->node, sized);
    at = {at.node.index < sibling_index ? ParentOf(at.node, sibling->node)
                                        : ParentOf(sibling->node, at.node),
          true};
  }
  folded_ = at.node;
  folded_sized_ = at.sized;
  return {};
}

ProofTree::Fault ProofTree::Fold(const Proof& proof, const Hash* leaf_hash) {
  if (proof.seek) {
    const std::vector<TreeNode>& nodes = proof.seek->nodes;
    if (nodes.empty()) {
      return "a seek without nodes";
    }
    if (Fault fault = FoldList(nodes, {nodes.front(), false}, true)) {
      return "seek: " + *fault;
    }
  }
  Fault fault;
  if (proof.block) {
    const ByteView value = proof.block->value.view();
    const TreeNode leaf{flat_tree::LeafOf(proof.block->index), value.size(),
                        leaf_hash == nullptr ? LeafHash(value) : *leaf_hash};
    fault = FoldList(proof.block->nodes, {leaf, true}, false);
  } else if (proof.hash) {
    fault = FoldList(proof.hash->nodes, {{proof.hash->index, 0, {}}, false}, true);
  }
  return fault ? Fault("path: " + *fault) : Fault();
}

void ProofTree::Append(MerkleTree& tree, const Claim& claim) {
  std::vector<TreeNode> left_roots = tree.roots();
  std::vector<TreeNode> created;
  tree.AppendSubtree(claim.node, created);
  // Each merge after the first node takes the root to its left. Roots that were not listed are of
  // the tree that we came with.
  Claim at = claim;
  for (std::size_t i = 1; i < created.size(); ++i) {
    const TreeNode left = left_roots.back();
    left_roots.pop_back();
    const auto listed = roots_sized_.find(left.index);
    const bool sized = at.sized || listed == roots_sized_.end() || listed->second;
    Keep(left, sized);
    Keep(at.node, sized);
    at = {created[i], true};
  }
  roots_sized_[at.node.index] = at.sized;
}

ProofTree::Fault ProofTree::GrowTo(std::uint64_t length, MerkleTree& tree, Queue& queue) {
  while (tree.length() < length) {
    // First what completes the trees on the left, then the full trees of the rest.
    const std::uint64_t rest = std::bit_floor(length - tree.length());
    const std::uint64_t aligned = tree.length() & (~tree.length() + 1);  // 0 for the empty tree
    const std::uint64_t blocks = aligned == 0 ? rest : std::min(rest, aligned);
    const TreeIndex index(tree.length() * 2 + blocks - 1);
    const std::optional<Claim> claim = queue.Take(index);
    if (!claim) {
      return "expected " + Name(index);
    }
    Append(tree, *claim);
  }
  return queue.listed_taken() ? Fault() : Fault("more nodes than the tree has");
}

ProofTree::Fault ProofTree::Grow(const UpgradeProof& upgrade, MerkleTree& tree) {
  std::optional<Claim> folded;
  if (folded_) {
    folded = Claim{*folded_, folded_sized_};
  }
  Queue queue(upgrade.nodes, folded);
  if (Fault fault = GrowTo(upgrade.start + upgrade.length, tree, queue)) {
    return "upgrade: " + *fault;
  }
  if (!queue.folded()) {
    folded_.reset();
  }
  return {};
}

ProofTree::Fault ProofTree::GrowAdditional(const UpgradeProof& upgrade, MerkleTree& tree) {
  const std::vector<TreeNode>& nodes = upgrade.additional_nodes;
  if (nodes.empty()) {
    return {};
  }
  const std::uint64_t length = flat_tree::BlocksBelow(nodes.back().index).end.value();
  if (length <= tree.length() || length > flat_tree::kBlocksMax) {
    return "additional nodes do not continue the upgrade";
  }
  Queue queue(nodes, std::nullopt);
  Fault fault = GrowTo(length, tree, queue);
  return fault ? Fault("additional nodes: " + *fault) : Fault();
}

void ProofTree::KeepRoots(const MerkleTree& tree) {
  for (const TreeNode& root : tree.roots()) {
    Keep(root, true);
  }
}

std::vector<TreeNode> ProofTree::Nodes() const {
  std::vector<TreeNode> nodes;
  nodes.reserve(kept_.size());
  for (const auto& [index, node] : kept_) {
    nodes.push_back(node);
  }
  return nodes;
}

}  // namespace hnx::hyper
