#include "hyper/core/crypto.h"

#include <cstring>

#include <sodium.h>

#include "base/check.h"

namespace hnx::hyper {
namespace {

static_assert(crypto_sign_BYTES == sizeof(Signature));
static_assert(crypto_sign_SECRETKEYBYTES == sizeof(Signature));
static_assert(crypto_sign_PUBLICKEYBYTES == PublicKey::kSize);

void EnsureSodium() {
  static const bool initialised = sodium_init() >= 0;
  HNX_CHECK(initialised);
}

Hash GenericHash(ByteView key, std::initializer_list<ByteView> parts) {
  HNX_CHECK(key.size() <= crypto_generichash_KEYBYTES_MAX);
  crypto_generichash_state state;
  HNX_CHECK(crypto_generichash_init(&state, key.empty() ? nullptr : UChars(key), key.size(),
                                    Hash::kSize) == 0);
  for (const ByteView part : parts) {
    HNX_CHECK(crypto_generichash_update(&state, UChars(part), part.size()) == 0);
  }
  Hash hash;
  HNX_CHECK(
      crypto_generichash_final(&state, UChars(std::span<std::byte>(hash.bytes)), Hash::kSize) == 0);
  return hash;
}

}  // namespace

Hash HashOf(std::initializer_list<ByteView> parts) {
  return GenericHash({}, parts);
}

Hash KeyedHashOf(ByteView key, std::initializer_list<ByteView> parts) {
  return GenericHash(key, parts);
}

Namespace NamespaceOf(std::string_view name, std::uint8_t index) {
  const Hash name_hash = HashOf({AsBytes(name)});
  const std::byte number{index};
  return Namespace{HashOf({name_hash.view(), ByteView(&number, 1)}).bytes};
}

SecretKey::SecretKey(const Signature& seed_and_public_key) : bytes_(seed_and_public_key) {}

SecretKey::SecretKey(SecretKey&& other) noexcept : bytes_(other.bytes_) {
  sodium_memzero(other.bytes_.data(), other.bytes_.size());
}

SecretKey& SecretKey::operator=(SecretKey&& other) noexcept {
  if (this != &other) {
    bytes_ = other.bytes_;
    sodium_memzero(other.bytes_.data(), other.bytes_.size());
  }
  return *this;
}

SecretKey::~SecretKey() {
  sodium_memzero(bytes_.data(), bytes_.size());
}

KeyPair KeyPair::FromSeed(ByteView seed32) {
  EnsureSodium();
  HNX_CHECK(seed32.size() == crypto_sign_SEEDBYTES);
  PublicKey public_key;
  Signature secret{};
  HNX_CHECK(crypto_sign_seed_keypair(UChars(std::span<std::byte>(public_key.bytes)),
                                     UChars(std::span<std::byte>(secret)), UChars(seed32)) == 0);
  KeyPair pair{public_key, SecretKey(secret)};
  sodium_memzero(secret.data(), secret.size());
  return pair;
}

KeyPair KeyPair::Generate() {
  std::array<std::byte, crypto_sign_SEEDBYTES> seed{};
  FillRandom(seed);
  KeyPair pair = FromSeed(seed);
  sodium_memzero(seed.data(), seed.size());
  return pair;
}

Result<KeyPair> KeyPair::FromStored(ByteView public_key, ByteView secret_key) {
  HNX_ASSIGN_OR_RETURN(const PublicKey stored, PublicKey::FromBytes(public_key, "public key"));
  if (secret_key.size() != crypto_sign_SECRETKEYBYTES) {
    return InvalidArgument("secret key: expected 64 bytes, got " +
                           std::to_string(secret_key.size()));
  }
  KeyPair pair = FromSeed(secret_key.first(crypto_sign_SEEDBYTES));
  if (pair.public_key != stored) {
    return InvalidArgument("the secret key does not belong to the public key " + stored.ToHex());
  }
  return pair;
}

KeyPair KeyPair::Clone() const {
  return FromSeed(secret_key.view().first(crypto_sign_SEEDBYTES));
}

Signature Sign(ByteView message, const SecretKey& key) {
  EnsureSodium();
  Signature signature{};
  HNX_CHECK(crypto_sign_detached(UChars(std::span<std::byte>(signature)), nullptr, UChars(message),
                                 message.size(), UChars(key.view())) == 0);
  return signature;
}

bool VerifySignature(ByteView message, const Signature& signature, const PublicKey& key) {
  EnsureSodium();
  return crypto_sign_verify_detached(UChars(ByteView(signature)), UChars(message), message.size(),
                                     UChars(key.view())) == 0;
}

void FillRandom(std::span<std::byte> out) {
  EnsureSodium();
  randombytes_buf(out.data(), out.size());
}

void Wipe(std::span<std::byte> secret) {
  sodium_memzero(secret.data(), secret.size());
}

}  // namespace hnx::hyper
