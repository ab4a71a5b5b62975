// The manifest of a core: who may sign it. Its hash is the core key, so whoever has the key can
// check a manifest that anybody hands over (docs/formats/manifest-and-keys.md).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/codec/compact_encoding.h"
#include "hyper/core/crypto.h"

namespace hnx::hyper {

struct ManifestSigner {
  Namespace signer_namespace;
  PublicKey public_key;

  friend bool operator==(const ManifestSigner&, const ManifestSigner&) = default;
};

struct ManifestPrologue {
  Hash tree_hash;
  std::uint64_t length = 0;

  friend bool operator==(const ManifestPrologue&, const ManifestPrologue&) = default;
};

struct Manifest {
  static constexpr std::uint64_t kVersionMax = 3;
  static constexpr std::size_t kSignersMax = 255;
  static constexpr std::size_t kLinkedMax = 1024;

  std::uint64_t version = 1;
  bool allow_patch = false;
  std::uint64_t quorum = 0;
  std::vector<ManifestSigner> signers;
  std::optional<ManifestPrologue> prologue;
  std::vector<CoreKey> linked;     // version >= 2
  std::optional<Bytes> user_data;  // version >= 2

  // Version 1, one signer: what every drive of ours has.
  static Manifest SingleSigner(const PublicKey& public_key, const Namespace& signer_namespace);
  // Version 1, one signer in Hypercore's default namespace.
  static Manifest SingleSigner(const PublicKey& public_key);

  // Reads one manifest from the front of `decoder`.
  static Result<Manifest> Decode(Decoder& decoder);
  // Reads a manifest that must fill `bytes`.
  static Result<Manifest> Decode(ByteView bytes);
  void EncodeTo(Encoder& encoder) const;
  Bytes Encode() const;

  friend bool operator==(const Manifest&, const Manifest&) = default;
};

}  // namespace hnx::hyper
