// Ed25519 signatures of the Nix kind: "<key name>:<base64>". The only file pair of this library
// that knows libsodium, whose verification is strict (no small-order points, no malleable S).
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace hnx::nix {

constexpr std::size_t kPublicKeySize = 32;
constexpr std::size_t kSecretKeySize = 64;  // seed and public key
constexpr std::size_t kSignatureSize = 64;
constexpr std::size_t kKeyNameLengthMax = 256;

// One Sig line's value. Well-formed, not necessarily valid.
class Signature {
 public:
  static Result<Signature> Parse(std::string_view text);

  const std::string& key_name() const { return key_name_; }
  ByteView bytes() const { return bytes_; }
  std::string ToString() const;

  bool operator==(const Signature&) const = default;

 private:
  friend class SecretKey;
  Signature() = default;
  std::string key_name_;
  std::array<std::byte, kSignatureSize> bytes_{};
};

class PublicKey {
 public:
  // Refuses what is no point of the curve's main subgroup, and a secret key given by mistake.
  static Result<PublicKey> Parse(std::string_view text);

  const std::string& name() const { return name_; }
  ByteView bytes() const { return bytes_; }
  std::string ToString() const;

  // Whether `signature` is this key's over `message`. The key's name is not looked at.
  bool Verify(std::string_view message, const Signature& signature) const;

  bool operator==(const PublicKey&) const = default;

 private:
  friend class SecretKey;
  PublicKey() = default;
  std::string name_;
  std::array<std::byte, kPublicKeySize> bytes_{};
};

// Signs narinfos of generated caches (tests, demonstration). Wipes itself; there is no way to print
// it but ToSecretText, whose name shows in review. Movable, not copyable.
class SecretKey {
 public:
  static Result<SecretKey> Parse(std::string_view text);
  // From the system's random numbers. `name` must be a valid key name.
  static Result<SecretKey> Generate(std::string_view name);
  // For reproducible inputs: never for a key that anybody trusts.
  static Result<SecretKey> FromSeed(std::string_view name, ByteView seed_of_32_bytes);

  SecretKey(SecretKey&& other) noexcept;
  SecretKey& operator=(SecretKey&& other) noexcept;
  SecretKey(const SecretKey&) = delete;
  SecretKey& operator=(const SecretKey&) = delete;
  ~SecretKey();

  const std::string& name() const { return name_; }
  PublicKey public_key() const;
  Signature Sign(std::string_view message) const;
  // The key file's content, as nix-store --generate-binary-cache-key writes it.
  std::string ToSecretText() const;

 private:
  SecretKey() = default;
  void Wipe();
  std::string name_;
  std::array<std::byte, kSecretKeySize> bytes_{};
};

}  // namespace hnx::nix
