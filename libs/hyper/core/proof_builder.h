// BuildProof: answers a request from a core's nodes, node for node as JavaScript's hypercore does
// (docs/formats/hypercore-proofs.md, "Building").
//
// Nodes are read one by one through the store's page cache, O(log n) of them whatever is asked,
// so a hostile request costs no more than an honest one. Nothing of the tree is held.
//
// Hypercore, CoreReader and ReplicaCore offer it as Prove().
#pragma once

#include "base/result.h"
#include "hyper/core/core_head.h"
#include "hyper/core/proof.h"
#include "hyper/core/tree_nodes.h"
#include "hyper/core/tree_signature.h"

namespace hnx::hyper {

class CoreView;

// A tree to prove from or to judge by: what is known of one core at one moment. All must outlive
// the call.
struct TreeState {
  const CoreIdentity& identity;
  const CoreHead& head;
  const MerkleTree& tree;  // at head.length
  TreeNodes& nodes;        // of the tree, perhaps with gaps
};

enum class BlockBytes {
  kRead,    // the proof owns the block's bytes, unverified: the asker verifies them
  kLocate,  // only BlockProof::bytes is set; the caller reads them (ReadBytes)
};

// The nodes, without the block's bytes and without a look whether the block is there.
// kInvalidArgument: no honest peer asks that (noData reason 2). kNotFound: not here, or not of this
// fork (noData reason 1). Any other code is trouble of our own. A request of which nothing could be
// answered (a seek alone) gives an empty proof.
Result<Proof> BuildProof(const TreeState& state, const ProofRequest& request);

// With the block. kNotFound also when it is not there or was cleared.
Result<Proof> BuildProof(CoreView& view, const ProofRequest& request, BlockBytes block_bytes);

}  // namespace hnx::hyper
