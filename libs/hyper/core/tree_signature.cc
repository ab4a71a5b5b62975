#include "hyper/core/tree_signature.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "hyper/codec/compact_encoding.h"
#include "hyper/core/keys.h"

namespace hnx::hyper {
namespace {

constexpr std::size_t kSignatureBytes = sizeof(Signature);
constexpr std::size_t kProofBytesMin = 1 + kSignatureBytes + 1;

// The domain between the namespace TREE and the tree hash: what ties a signature to one core.
enum class Context { kCompat, kSignerNamespace, kCoreKey };

Context ContextOf(const CoreIdentity& identity) {
  if (identity.compat()) {
    return Context::kCompat;
  }
  return identity.manifest->version == 0 ? Context::kSignerNamespace : Context::kCoreKey;
}

Bytes Signable(const CoreIdentity& identity, const ManifestSigner& signer, const CoreHead& head) {
  Encoder encoder;
  encoder.Raw(TreeNamespace().view());
  switch (ContextOf(identity)) {
    case Context::kCompat:
      break;
    case Context::kSignerNamespace:
      encoder.Raw(signer.signer_namespace.view());
      break;
    case Context::kCoreKey:
      encoder.Raw(identity.key.view());
      break;
  }
  encoder.Raw(head.tree_hash.view());
  encoder.Uint64(head.length);
  encoder.Uint64(head.fork);
  return std::move(encoder).Take();
}

// A core without a manifest is an old one: its key is its only signer.
std::vector<ManifestSigner> SignersOf(const CoreIdentity& identity) {
  if (identity.manifest) {
    return identity.manifest->signers;
  }
  return {{DefaultSignerNamespace(), PublicKey{identity.key.bytes}}};
}

bool BareSignature(const CoreIdentity& identity) {
  return identity.compat() || (identity.manifest->version == 0 && !identity.manifest->allow_patch &&
                               identity.manifest->signers.size() == 1);
}

struct Proof {
  std::uint64_t signer;
  Signature signature{};
};

Result<Signature> ToSignature(ByteView raw) {
  if (raw.size() != kSignatureBytes) {
    return DataLoss("signature: expected 64 bytes, got " + std::to_string(raw.size()));
  }
  Signature signature{};
  std::memcpy(signature.data(), raw.data(), raw.size());
  return signature;
}

Result<std::vector<Proof>> DecodeProofs(ByteView encoded) {
  Decoder decoder(encoded);
  HNX_ASSIGN_OR_RETURN(const std::uint64_t count,
                       decoder.Count(kProofBytesMin, "signature proofs"));
  std::vector<Proof> proofs;
  for (std::uint64_t i = 0; i < count; ++i) {
    HNX_ASSIGN_OR_RETURN(const std::uint64_t signer, decoder.Uint("signature signer"));
    HNX_ASSIGN_OR_RETURN(const ByteView raw, decoder.Raw(kSignatureBytes, "signature"));
    HNX_ASSIGN_OR_RETURN(const Signature signature, ToSignature(raw));
    HNX_ASSIGN_OR_RETURN(const std::uint64_t patch, decoder.Uint("signature patch"));
    if (patch != 0) {
      return Error{ErrorCode::kUnimplemented, "signature with a patch: not supported"};
    }
    proofs.push_back({signer, signature});
  }
  HNX_ASSIGN_OR_RETURN(const std::uint64_t patch_nodes, decoder.Uint("signature patch nodes"));
  if (patch_nodes != 0) {
    return Error{ErrorCode::kUnimplemented, "signature with a patch: not supported"};
  }
  HNX_TRY(decoder.ExpectEnd("signature"));
  return proofs;
}

Result<void> VerifyQuorum(const CoreIdentity& identity, const CoreHead& head) {
  const Manifest& manifest = *identity.manifest;
  if (manifest.version == 0) {
    return Error{ErrorCode::kUnimplemented,
                 "core with a version 0 manifest of several signers: not supported"};
  }
  HNX_ASSIGN_OR_RETURN(const std::vector<Proof> proofs, DecodeProofs(head.signature));
  if (manifest.quorum == 0 || proofs.size() < manifest.quorum) {
    return DataLoss("signature: " + std::to_string(proofs.size()) + " of " +
                    std::to_string(manifest.quorum) + " signers");
  }
  std::vector<bool> counted(manifest.signers.size());
  for (std::size_t i = 0; i < manifest.quorum; ++i) {
    const Proof& proof = proofs[i];
    if (proof.signer >= manifest.signers.size() || counted[proof.signer]) {
      return DataLoss("signature: signer " + std::to_string(proof.signer) +
                      " is unknown or counted twice");
    }
    counted[proof.signer] = true;
    const ManifestSigner& signer = manifest.signers[proof.signer];
    const Bytes message = Signable(identity, signer, head);
    if (!VerifySignature(message, proof.signature, signer.public_key)) {
      return DataLoss("signature of signer " + std::to_string(proof.signer) + " does not verify");
    }
  }
  return {};
}

}  // namespace

bool CoreIdentity::compat() const {
  return !manifest ||
         (manifest->signers.size() == 1 && manifest->signers[0].public_key.bytes == key.bytes);
}

Result<void> CoreIdentity::Check() const {
  if (!compat() && CoreKeyOf(*manifest) != key) {
    return DataLoss("the manifest is not the one that core key " + key.ToHex() + " names");
  }
  return {};
}

Result<Bytes> SignTree(const CoreIdentity& identity, const PublicKey& public_key,
                       const SecretKey& secret_key, const CoreHead& head) {
  const std::vector<ManifestSigner> signers = SignersOf(identity);
  if (signers.size() != 1 || signers[0].public_key != public_key) {
    return InvalidArgument("sign core " + identity.key.ToHex() +
                           ": the key pair is not its only signer");
  }
  const Bytes message = Signable(identity, signers[0], head);
  const Signature signature = Sign(message, secret_key);
  if (BareSignature(identity)) {
    return ToBytes(ByteView(signature));
  }
  Encoder encoder;
  encoder.Uint(1);  // one proof
  encoder.Uint(0);  // by signer 0
  encoder.Raw(signature);
  encoder.Uint(0);  // no patch
  encoder.Uint(0);  // no patch nodes
  return std::move(encoder).Take();
}

Result<void> VerifyTree(const CoreIdentity& identity, const CoreHead& head) {
  if (head.length == 0) {
    return {};
  }
  if (identity.manifest && !identity.compat() && identity.manifest->prologue &&
      head.length <= identity.manifest->prologue->length) {
    const ManifestPrologue& prologue = *identity.manifest->prologue;
    if (head.length != prologue.length || head.tree_hash != prologue.tree_hash) {
      return DataLoss("the tree is not the prologue that the manifest names");
    }
    return {};
  }
  if (!BareSignature(identity)) {
    Result<void> verified = VerifyQuorum(identity, head);
    if (!verified && verified.error().code == ErrorCode::kInvalidArgument) {
      return DataLoss(verified.error().message);
    }
    return verified;
  }
  const ManifestSigner signer = SignersOf(identity)[0];
  HNX_ASSIGN_OR_RETURN(const Signature signature, ToSignature(head.signature));
  const Bytes message = Signable(identity, signer, head);
  if (!VerifySignature(message, signature, signer.public_key)) {
    return DataLoss("the signature does not verify");
  }
  return {};
}

}  // namespace hnx::hyper
