#include "hyper/core/proof_verifier.h"

#include <algorithm>
#include <string>
#include <utility>

#include "hyper/core/hashed_proof.h"
#include "hyper/core/keys.h"
#include "hyper/core/proof_tree.h"

namespace hnx::hyper {
namespace {

// A judgement that ends before the last question was asked.
using Ending = std::optional<ProofVerdict>;

Ending Refuse(ProofFault fault, std::string why) {
  return ProofVerdict(ProofRefused{fault, std::move(why)});
}

Ending Malformed(ProofTree::Fault fault) {
  return fault ? Refuse(ProofFault::kMalformed, *std::move(fault)) : Ending();
}

// A proof that outlives the buffer that it came in.
Proof Owned(const Proof& proof) {
  Proof copy = proof;
  if (copy.block && !copy.block->value.owned()) {
    copy.block->value = BlockValue(ToBytes(copy.block->value.view()));
  }
  return copy;
}

class Verifier {
 public:
  Verifier(const TreeState& state, const ProofRequest& request, const Proof& proof,
           const Hash* leaf_hash)
      : state_(state),
        request_(request),
        proof_(proof),
        leaf_hash_(leaf_hash),
        identity_(state.identity) {}

  Result<ProofVerdict> Verify();

 private:
  // Does the answer fit the question? No hash is looked at.
  Ending CheckShape() const;
  Ending CheckPathShape() const;
  Ending CheckUpgradeShape() const;
  Ending LearnManifest();

  // The upgrade, hashed onto `base`.
  struct Grown {
    MerkleTree at_target;  // at upgrade.start + upgrade.length
    MerkleTree whole;      // at the length that is signed
  };
  Ending Grow(const MerkleTree& base, Grown& grown);
  Result<Ending> CheckSigned(const Grown& grown) const;
  Ending CheckPrologue(const MerkleTree& at_target) const;
  // What block, hash and seek lead to, when no upgrade took it, must be a node that we hold.
  Result<Ending> CheckFolded() const;

  Result<ProofVerdict> JudgeUpgrade();
  Result<ProofVerdict> JudgePath();
  Result<ProofVerdict> JudgeProbe();
  Result<ProofVerdict> JudgeForkAhead();
  TreeConflict Conflict(const MerkleTree& ours, const MerkleTree& theirs) const;
  // What a tree of `length` blocks has of it.
  VerifiedProof Verified(std::uint64_t length) const;

  std::uint64_t UpgradeEnd() const { return proof_.upgrade->start + proof_.upgrade->length; }
  CoreHead HeadOf(const MerkleTree& tree) const {
    return {tree.length(), proof_.fork, tree.byte_length(), tree.hash(), proof_.upgrade->signature};
  }

  const TreeState& state_;
  const ProofRequest& request_;
  const Proof& proof_;
  const Hash* const leaf_hash_;  // of the block; null: not known yet
  CoreIdentity identity_;        // with the manifest that the proof brought
  bool manifest_learnt_ = false;
  ProofTree claimed_;
};

Ending Verifier::CheckPathShape() const {
  const bool block_fits =
      request_.block ? proof_.block && proof_.block->index == request_.block->index : !proof_.block;
  if (!block_fits) {
    return Refuse(ProofFault::kUnasked, "not the block that was asked for");
  }
  const bool hash_fits = request_.hash && !request_.block
                             ? proof_.hash && proof_.hash->index == request_.hash->index
                             : !proof_.hash;
  if (!hash_fits) {
    return Refuse(ProofFault::kUnasked, "not the node that was asked for");
  }
  if (proof_.seek && !(request_.seek && proof_.seek->bytes == request_.seek->bytes)) {
    return Refuse(ProofFault::kUnasked, "not the seek that was asked for");
  }
  return {};
}

Ending Verifier::CheckUpgradeShape() const {
  if (request_.upgrade.has_value() != proof_.upgrade.has_value()) {
    return Refuse(ProofFault::kUnasked,
                  proof_.upgrade ? "an upgrade that was not asked for" : "the upgrade is missing");
  }
  if (!proof_.upgrade) {
    return {};
  }
  const std::uint64_t start = proof_.upgrade->start;
  const std::uint64_t length = proof_.upgrade->length;
  const std::optional<Manifest>& manifest =
      identity_.manifest ? identity_.manifest : proof_.manifest;
  const bool as_asked = UpgradeRequest{start, length} == *request_.upgrade;
  // Within its prologue a core is proven whole, whatever was asked.
  const bool whole_prologue = manifest && manifest->prologue &&
                              request_.upgrade->start < manifest->prologue->length && start == 0 &&
                              length == manifest->prologue->length;
  if (!as_asked && !whole_prologue) {
    return Refuse(ProofFault::kUnasked, "not the upgrade that was asked for");
  }
  if (length == 0 || start > flat_tree::kBlocksMax || length > flat_tree::kBlocksMax - start) {
    return Refuse(ProofFault::kMalformed, "an upgrade from " + std::to_string(start) + " by " +
                                              std::to_string(length) + " blocks");
  }
  return {};
}

Ending Verifier::CheckShape() const {
  if (proof_.fork != request_.fork) {
    return Refuse(ProofFault::kUnasked, "fork " + std::to_string(proof_.fork) + " instead of " +
                                            std::to_string(request_.fork));
  }
  if (proof_.fork < state_.head.fork) {
    return ProofVerdict(ProofStale{"it is of fork " + std::to_string(proof_.fork) + ", we are at " +
                                   std::to_string(state_.head.fork)});
  }
  if (Ending ending = CheckPathShape()) {
    return ending;
  }
  if (proof_.manifest && !request_.manifest) {
    return Refuse(ProofFault::kUnasked, "a manifest that was not asked for");
  }
  if (Ending ending = CheckUpgradeShape()) {
    return ending;
  }
  return Malformed(ProofTree::CheckLimits(proof_));
}

Ending Verifier::LearnManifest() {
  if (!proof_.manifest) {
    return {};
  }
  const CoreKey& key = state_.identity.key;
  if (CoreKeyOf(*proof_.manifest) == key) {
    manifest_learnt_ = !identity_.manifest;
    identity_.manifest = proof_.manifest;
    return {};
  }
  if (*proof_.manifest == Manifest::SingleSigner(PublicKey{key.bytes})) {
    return {};  // an old core, whose key is its signer: known already
  }
  return Refuse(ProofFault::kManifest,
                "the manifest is not the one that core key " + key.ToHex() + " names");
}

Ending Verifier::Grow(const MerkleTree& base, Grown& grown) {
  grown.at_target = base;
  if (Ending ending = Malformed(claimed_.Grow(*proof_.upgrade, grown.at_target))) {
    return ending;
  }
  grown.whole = grown.at_target;
  return Malformed(claimed_.GrowAdditional(*proof_.upgrade, grown.whole));
}

Ending Verifier::CheckPrologue(const MerkleTree& at_target) const {
  if (!identity_.manifest || identity_.compat() || !identity_.manifest->prologue) {
    return {};
  }
  const ManifestPrologue& prologue = *identity_.manifest->prologue;
  const std::uint64_t start = proof_.upgrade->start;
  if (start < prologue.length && (start != 0 || UpgradeEnd() < prologue.length)) {
    return Refuse(ProofFault::kMalformed, "an upgrade that ends within the prologue");
  }
  if (at_target.length() == prologue.length && at_target.hash() != prologue.tree_hash) {
    return Refuse(ProofFault::kSignature, "the tree is not the prologue that the manifest names");
  }
  return {};
}

Result<Ending> Verifier::CheckSigned(const Grown& grown) const {
  if (Ending ending = CheckPrologue(grown.at_target)) {
    return ending;
  }
  const Result<void> verified = VerifyTree(identity_, HeadOf(grown.whole));
  if (verified) {
    return Ending();
  }
  // Only the manifest can make a core one that we cannot judge; a peer cannot.
  if (verified.error().code == ErrorCode::kUnimplemented && identity_.manifest &&
      (identity_.manifest->allow_patch || identity_.manifest->version == 0)) {
    return verified.error();
  }
  if (!identity_.manifest) {
    return Refuse(ProofFault::kManifest,
                  "without a manifest, and not signed with the core key itself");
  }
  return Refuse(ProofFault::kSignature, "at length " + std::to_string(grown.whole.length()) + ": " +
                                            verified.error().message);
}

Result<Ending> Verifier::CheckFolded() const {
  if (!claimed_.folded()) {
    return Ending();
  }
  const TreeNode& claimed = *claimed_.folded();
  const std::string name = "node " + std::to_string(claimed.index.value());
  if (flat_tree::RightSpan(claimed.index).value() >= flat_tree::SlotCount(state_.head.length)) {
    return Refuse(ProofFault::kMalformed, "it leads to " + name + ", which is in no tree of ours");
  }
  HNX_ASSIGN_OR_RETURN(const TreeNode held, state_.nodes.Get(claimed.index));
  if (held.blank()) {
    // Answers to what we ask for lead to nodes that we hold.
    return Refuse(ProofFault::kMalformed, "it leads to " + name + ", which we do not have");
  }
  if (held != claimed) {
    return Refuse(ProofFault::kMismatch, "it does not hash to " + name);
  }
  return Ending();
}

VerifiedProof Verifier::Verified(std::uint64_t length) const {
  VerifiedProof verified;
  for (const TreeNode& node : claimed_.Nodes()) {
    // A probe may tell of a longer tree than we take over from it.
    if (flat_tree::RightSpan(node.index).value() < flat_tree::SlotCount(length)) {
      verified.nodes.push_back(node);
    }
  }
  if (manifest_learnt_) {
    verified.manifest = identity_.manifest;
  }
  if (proof_.block) {
    verified.block = proof_.block->index;
  }
  return verified;
}

Result<ProofVerdict> Verifier::JudgePath() {
  HNX_ASSIGN_OR_RETURN(Ending ending, CheckFolded());
  if (ending) {
    return *std::move(ending);
  }
  return ProofVerdict(Verified(state_.head.length));
}

Result<ProofVerdict> Verifier::JudgeUpgrade() {
  if (proof_.upgrade->start != state_.head.length) {
    return ProofVerdict(ProofStale{"it goes on from " + std::to_string(proof_.upgrade->start) +
                                   " blocks, we have " + std::to_string(state_.head.length)});
  }
  Grown grown;
  if (Ending ending = Grow(state_.tree, grown)) {
    return *std::move(ending);
  }
  HNX_ASSIGN_OR_RETURN(Ending ending, CheckSigned(grown));
  if (ending) {
    return *std::move(ending);
  }
  HNX_ASSIGN_OR_RETURN(ending, CheckFolded());
  if (ending) {
    return *std::move(ending);
  }
  claimed_.KeepRoots(grown.whole);
  VerifiedProof verified = Verified(grown.whole.length());
  CoreHead head = HeadOf(grown.whole);
  verified.upgrade = VerifiedProof::Upgrade{std::move(head), std::move(grown.whole)};
  return ProofVerdict(std::move(verified));
}

TreeConflict Verifier::Conflict(const MerkleTree& ours, const MerkleTree& theirs) const {
  TreeConflict conflict;
  conflict.fork = proof_.fork;
  conflict.length = theirs.length();
  conflict.our_hash = ours.hash();
  conflict.their_hash = theirs.hash();
  conflict.theirs = Owned(proof_);
  ProofRequest same;
  same.fork = proof_.fork;
  same.upgrade = UpgradeRequest{0, theirs.length()};
  same.manifest = true;
  // A sparse tree may lack a node of it; then the hashes and their proof must do.
  Result<Proof> proof = BuildProof(state_, same);
  if (proof) {
    conflict.ours = *std::move(proof);
  }
  return conflict;
}

Result<ProofVerdict> Verifier::JudgeProbe() {
  Grown grown;
  if (Ending ending = Grow(MerkleTree(), grown)) {
    return *std::move(ending);
  }
  HNX_ASSIGN_OR_RETURN(Ending ending, CheckSigned(grown));
  if (ending) {
    return *std::move(ending);
  }
  HNX_ASSIGN_OR_RETURN(const std::optional<MerkleTree> ours, state_.nodes.TryTreeOf(UpgradeEnd()));
  if (!ours) {
    return ProofVerdict(ProofStale{"we lack the roots at length " + std::to_string(UpgradeEnd()) +
                                   " to compare it with"});
  }
  if (*ours != grown.at_target) {
    return ProofVerdict(Conflict(*ours, grown.at_target));
  }
  return JudgePath();
}

Result<ProofVerdict> Verifier::JudgeForkAhead() {
  ForkAhead ahead{proof_.fork, false};
  if (proof_.upgrade && proof_.upgrade->start == 0) {
    Grown grown;
    if (Ending ending = Grow(MerkleTree(), grown)) {
      return *std::move(ending);
    }
    HNX_ASSIGN_OR_RETURN(Ending ending, CheckSigned(grown));
    if (ending) {
      return *std::move(ending);
    }
    ahead.is_signed = true;
  }
  return ProofVerdict(ahead);
}

Result<ProofVerdict> Verifier::Verify() {
  if (Ending ending = CheckShape()) {
    return *std::move(ending);
  }
  if (Ending ending = LearnManifest()) {
    return *std::move(ending);
  }
  if (Ending ending = Malformed(claimed_.Fold(proof_, leaf_hash_))) {
    return *std::move(ending);
  }
  // An empty core takes up whatever fork its owner is at.
  if (proof_.fork > state_.head.fork && state_.head.length > 0) {
    return JudgeForkAhead();
  }
  if (!proof_.upgrade) {
    return JudgePath();
  }
  const bool probe =
      state_.head.length > 0 && proof_.upgrade->start == 0 && UpgradeEnd() <= state_.head.length;
  return probe ? JudgeProbe() : JudgeUpgrade();
}

}  // namespace

std::string_view ProofFaultName(ProofFault fault) {
  switch (fault) {
    case ProofFault::kUnasked:
      return "unasked";
    case ProofFault::kMalformed:
      return "malformed";
    case ProofFault::kMismatch:
      return "mismatch";
    case ProofFault::kSignature:
      return "signature";
    case ProofFault::kManifest:
      return "manifest";
  }
  return "unknown";
}

Result<ProofVerdict> VerifyProof(const TreeState& state, const ProofRequest& request,
                                 const Proof& proof) {
  return VerifyHashedProof(state, request, proof, nullptr);
}

Result<ProofVerdict> VerifyHashedProof(const TreeState& state, const ProofRequest& request,
                                       const Proof& proof, const Hash* leaf_hash) {
  return Verifier(state, request, proof, leaf_hash).Verify();
}

ProofRequest ConflictProbe(const CoreHead& ours, std::uint64_t remote_length) {
  ProofRequest request;
  request.fork = ours.fork;
  request.upgrade = UpgradeRequest{0, std::min(ours.length, remote_length)};
  request.manifest = true;
  return request;
}

}  // namespace hnx::hyper
