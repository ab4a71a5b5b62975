// VerifyProof when the block of the proof was hashed already, by this process.
#pragma once

#include "hyper/core/proof_verifier.h"

namespace hnx::hyper {

// `leaf_hash`: LeafHash of the block's value; null: it is hashed here.
Result<ProofVerdict> VerifyHashedProof(const TreeState& state, const ProofRequest& request,
                                       const Proof& proof, const Hash* leaf_hash);

}  // namespace hnx::hyper
