// What the signers of a core sign, and whether they did (docs/formats/manifest-and-keys.md).
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/core/core_head.h"
#include "hyper/core/crypto.h"
#include "hyper/core/manifest.h"

namespace hnx::hyper {

// Whose signatures count for a core.
struct CoreIdentity {
  CoreKey key;
  std::optional<Manifest> manifest;

  // Old cores: the core key is the public key itself.
  bool compat() const;
  // kDataLoss when the manifest is not the one that the key names.
  Result<void> Check() const;
};

// A signature of the head's tree hash, length and fork, in its stored form. kInvalidArgument: the
// key pair is not that of the core's only signer.
Result<Bytes> SignTree(const CoreIdentity& identity, const PublicKey& public_key,
                       const SecretKey& secret_key, const CoreHead& head);

// kDataLoss when the signature does not verify. A head of length 0 needs none. Signatures made of
// patches (a signer who signed a shorter tree) are kUnimplemented.
Result<void> VerifyTree(const CoreIdentity& identity, const CoreHead& head);

}  // namespace hnx::hyper
