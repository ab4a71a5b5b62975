// Hashes and signatures of Hypercore: BLAKE2b-256 and Ed25519. crypto.cc is the one file of this
// library that uses libsodium; blake2b.cc is the fast hash.
//
// All functions may be called from any thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/core/fixed_bytes.h"

namespace hnx::hyper {

// BLAKE2b-256 of the concatenation.
Hash HashOf(std::initializer_list<ByteView> parts);
// The same, keyed with `key` (at most 64 bytes).
Hash KeyedHashOf(ByteView key, std::initializer_list<ByteView> parts);

// Namespace number `index` of `name` ("hypercore", "corestore", "hyperdrive"):
// Hash(Hash(name) || byte index).
Namespace NamespaceOf(std::string_view name, std::uint8_t index);

// An Ed25519 secret key in libsodium's 64-byte form. It wipes itself, moves but does not copy, and
// has no way into a log line.
class SecretKey {
 public:
  explicit SecretKey(const Signature& seed_and_public_key);
  SecretKey(SecretKey&& other) noexcept;
  SecretKey& operator=(SecretKey&& other) noexcept;
  SecretKey(const SecretKey&) = delete;
  SecretKey& operator=(const SecretKey&) = delete;
  ~SecretKey();

  // For the header of a core, and for signing.
  ByteView view() const { return bytes_; }

 private:
  Signature bytes_;
};

struct KeyPair {
  PublicKey public_key;
  SecretKey secret_key;

  static KeyPair Generate();
  static KeyPair FromSeed(ByteView seed32);
  // From a stored key pair; kInvalidArgument when the sizes are wrong or the halves do not belong
  // together.
  static Result<KeyPair> FromStored(ByteView public_key, ByteView secret_key);
  // A second copy in memory, for a second core that is signed with the same key.
  KeyPair Clone() const;
};

Signature Sign(ByteView message, const SecretKey& key);
bool VerifySignature(ByteView message, const Signature& signature, const PublicKey& key);

void FillRandom(std::span<std::byte> out);
// Overwrites a secret in a way that the compiler does not leave out.
void Wipe(std::span<std::byte> secret);

}  // namespace hnx::hyper
