// VerifyProof: judges what a peer answered, against our own state and nothing else. Nothing is
// stored here; what it returns as verified may be stored as it is
// (docs/formats/hypercore-proofs.md, "Verifying").
//
// An Error is trouble of our own (a file that cannot be read). Whatever a peer may send is a
// verdict, so that no damage on our disk is ever held against a peer.
//
// Pure but for reading nodes; any thread that owns the state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "hyper/core/proof.h"
#include "hyper/core/proof_builder.h"

namespace hnx::hyper {

// True, and new or known: what follows may be stored together, or not at all.
struct VerifiedProof {
  // Every node has a hash and a size that the owner signed. Two nodes at the bottom of a hash or
  // seek proof have only the sum of their sizes signed: they are left out, since a wrong size would
  // misplace the blocks behind it.
  std::vector<TreeNode> nodes;
  // The proven, longer tree; the roots that are new to us are among `nodes`.
  struct Upgrade {
    CoreHead head;  // with signature
    MerkleTree tree;
  };
  std::optional<Upgrade> upgrade;
  std::optional<Manifest> manifest;  // when we had none
  std::optional<BlockIndex> block;   // its bytes are those of the proof
};

enum class ProofFault {
  kUnasked,    // not an answer to the request: another block, range, part or fork
  kMalformed,  // a list of nodes that cannot be one: wrong place, too long, too short
  kMismatch,   // hashes that do not lead to the tree that we hold
  kSignature,  // the owner did not sign this tree
  kManifest,   // missing, or not the one that the core key names
};
std::string_view ProofFaultName(ProofFault fault);

// Wrong, and the peer is to blame. kSignature upon an upgrade from our own length may also mean
// that the owner signed two trees: ask ConflictProbe() to find out.
struct ProofRefused {
  ProofFault fault;
  std::string why;  // for a log line
};

// An answer that an honest peer may have given, but our state went on since it was asked for.
struct ProofStale {
  std::string why;
};

// The owner truncated the core and went on under a higher fork. We stay at ours.
struct ForkAhead {
  std::uint64_t fork = 0;
  // Whether the owner's signature under that fork was in the proof (upgrades from 0 can be checked
  // whole); else it is but a claim.
  bool is_signed = false;
};

// The owner signed two trees of the same fork that differ below `length`. Both proofs lead from the
// first block to a signature; anybody can verify them with the core key. Neither is to be trusted
// any more; nothing was stored.
struct TreeConflict {
  std::uint64_t fork = 0;
  std::uint64_t length = 0;
  Hash our_hash;  // tree hashes at `length`
  Hash their_hash;
  Proof ours;
  Proof theirs;
};

using ProofVerdict = std::variant<VerifiedProof, ProofRefused, ProofStale, ForkAhead, TreeConflict>;

// `request` is what this peer was asked. An upgrade is accepted from our own length; one from 0 to
// at most our length is compared with our tree and never stored.
Result<ProofVerdict> VerifyProof(const TreeState& state, const ProofRequest& request,
                                 const Proof& proof);

// What to ask a peer of `remote_length` blocks when its upgrade did not verify.
ProofRequest ConflictProbe(const CoreHead& ours, std::uint64_t remote_length);

}  // namespace hnx::hyper
