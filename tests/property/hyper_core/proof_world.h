// What tests of proofs share: a core made from a seed, somebody who holds just enough of it to ask,
// and every way in which one field of an answer can be wrong.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "hyper/core/hypercore.h"
#include "hyper/core/proof_verifier.h"
#include "hyper/core/tree_nodes.h"

namespace hnx::hyper {

// The bytes of block `index` of a core with this `fill` (as js/lib.mjs generates them).
Bytes GeneratedBlock(std::uint32_t fill, std::uint64_t index, std::size_t size);
// A core in memory, signed with the key of the seed.
std::unique_ptr<Hypercore> MakeCore(const std::array<std::byte, 32>& seed, std::uint32_t fill,
                                    const std::vector<std::size_t>& block_sizes);

// A few nodes of a tree.
class NodeMap final : public TreeNodes {
 public:
  Result<TreeNode> Get(TreeIndex index) override;
  std::string Name() const override { return "asker"; }
  void Put(const TreeNode& node) { nodes_[node.index] = node; }

 private:
  std::map<TreeIndex, TreeNode> nodes_;
};

// Somebody who asks: knows the core key, holds the roots of its length and the node to which the
// answer must lead.
class Asker {
 public:
  // Asks `core` for what follows `request.upgrade->start` blocks, or, without an upgrade, at its
  // length. A node of `core` that it needs is taken from there.
  Asker(Hypercore& core, const ProofRequest& request);

  Result<ProofVerdict> Judge(const ProofRequest& request, const Proof& proof);
  std::uint64_t length() const { return head_.length; }

 private:
  CoreIdentity identity_;
  CoreHead head_;
  MerkleTree tree_;
  NodeMap nodes_;
};

// A node of the core's tree; blank when the tree has none such.
TreeNode NodeOf(Hypercore& core, TreeIndex index);

// Calls `check` with copies of `proof` of which one decoded field each is another: every field of
// every node, the block's bytes, positions, the signature, the manifest.
void ForEachMutation(const Proof& proof, std::uint32_t seed,
                     const std::function<void(const Proof&, const std::string& what)>& check);

}  // namespace hnx::hyper
