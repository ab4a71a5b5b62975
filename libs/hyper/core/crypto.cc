#include "hyper/core/crypto.h"

#include <cstring>

#include <sodium.h>

#include "base/check.h"
#include "hyper/core/session_crypto.h"

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

Digest512 Hash512Of(std::initializer_list<ByteView> parts) {
  crypto_generichash_state state;
  Digest512 digest;
  const std::span<std::byte> out = digest.span();
  HNX_CHECK(crypto_generichash_init(&state, nullptr, 0, out.size()) == 0);
  for (const ByteView part : parts) {
    HNX_CHECK(crypto_generichash_update(&state, UChars(part), part.size()) == 0);
  }
  HNX_CHECK(crypto_generichash_final(&state, UChars(out), out.size()) == 0);
  sodium_memzero(&state, sizeof(state));
  return digest;
}

std::optional<SessionKey> DiffieHellman(const SecretKey& local, const PublicKey& remote) {
  EnsureSodium();
  static_assert(crypto_hash_sha512_BYTES == 64);
  static_assert(crypto_scalarmult_ed25519_BYTES == 32);
  SecretBytes<64> expanded;
  const std::span<std::byte> scalar = expanded.span();
  HNX_CHECK(crypto_hash_sha512(UChars(scalar), UChars(local.view()), crypto_sign_SEEDBYTES) == 0);
  scalar[0] &= std::byte{248};
  scalar[31] &= std::byte{127};
  scalar[31] |= std::byte{64};
  SessionKey shared;
  if (crypto_scalarmult_ed25519_noclamp(UChars(std::span<std::byte>(shared.span())), UChars(scalar),
                                        UChars(remote.view())) != 0) {
    return std::nullopt;
  }
  return shared;
}

namespace {

using AeadNonce = std::array<std::byte, crypto_aead_chacha20poly1305_ietf_NPUBBYTES>;
static_assert(crypto_aead_chacha20poly1305_ietf_ABYTES == kAeadOverhead);

AeadNonce NonceOf(std::uint64_t counter) {
  AeadNonce nonce{};
  StoreLe64(counter, std::span(nonce).last<8>());
  return nonce;
}

}  // namespace

void AeadSeal(const SessionKey& key, std::uint64_t counter, ByteView associated, ByteView plaintext,
              std::span<std::byte> out) {
  HNX_CHECK(out.size() == plaintext.size() + kAeadOverhead);
  const AeadNonce nonce = NonceOf(counter);
  HNX_CHECK(crypto_aead_chacha20poly1305_ietf_encrypt(
                UChars(out), nullptr, UChars(plaintext), plaintext.size(), UChars(associated),
                associated.size(), nullptr, UChars(ByteView(nonce)), UChars(key.view())) == 0);
}

bool AeadOpen(const SessionKey& key, std::uint64_t counter, ByteView associated, ByteView sealed,
              std::span<std::byte> out) {
  HNX_CHECK(sealed.size() == out.size() + kAeadOverhead);
  const AeadNonce nonce = NonceOf(counter);
  return crypto_aead_chacha20poly1305_ietf_decrypt(
             UChars(out), nullptr, nullptr, UChars(sealed), sealed.size(), UChars(associated),
             associated.size(), UChars(ByteView(nonce)), UChars(key.view())) == 0;
}

namespace {

using SodiumStream = crypto_secretstream_xchacha20poly1305_state;
static_assert(crypto_secretstream_xchacha20poly1305_ABYTES == kStreamCipherOverhead);
static_assert(crypto_secretstream_xchacha20poly1305_HEADERBYTES == kStreamCipherHeaderSize);
static_assert(crypto_secretstream_xchacha20poly1305_KEYBYTES == 32);

template <std::size_t N>
SodiumStream* AsSodium(SecretBytes<N>& state) {
  static_assert(sizeof(SodiumStream) == N);
  return reinterpret_cast<SodiumStream*>(state.span().data());
}

}  // namespace

StreamSealer::StreamSealer(const SessionKey& key,
                           std::span<std::byte, kStreamCipherHeaderSize> header_out) {
  EnsureSodium();
  HNX_CHECK(crypto_secretstream_xchacha20poly1305_init_push(
                AsSodium(state_), UChars(std::span<std::byte>(header_out)), UChars(key.view())) ==
            0);
}

void StreamSealer::Seal(std::span<std::byte> message) {
  HNX_CHECK(message.size() >= kStreamCipherOverhead);
  HNX_CHECK(crypto_secretstream_xchacha20poly1305_push(
                AsSodium(state_), UChars(message), nullptr, UChars(message.subspan(1)),
                message.size() - kStreamCipherOverhead, nullptr, 0,
                crypto_secretstream_xchacha20poly1305_TAG_MESSAGE) == 0);
}

StreamOpener::StreamOpener(const SessionKey& key,
                           std::span<const std::byte, kStreamCipherHeaderSize> header) {
  EnsureSodium();
  HNX_CHECK(crypto_secretstream_xchacha20poly1305_init_pull(
                AsSodium(state_), UChars(ByteView(header)), UChars(key.view())) == 0);
}

std::optional<ByteView> StreamOpener::Open(std::span<std::byte> message) {
  HNX_CHECK(message.size() >= kStreamCipherOverhead);
  const std::span<std::byte> plaintext = message.subspan(1, message.size() - kStreamCipherOverhead);
  unsigned char tag = 0;
  if (crypto_secretstream_xchacha20poly1305_pull(AsSodium(state_), UChars(plaintext), nullptr, &tag,
                                                 UChars(ByteView(message)), message.size(), nullptr,
                                                 0) != 0 ||
      tag != crypto_secretstream_xchacha20poly1305_TAG_MESSAGE) {
    return std::nullopt;
  }
  return plaintext;
}

}  // namespace hnx::hyper
