#include "nix/signature.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <sodium.h>

#include "base/check.h"
#include "nix/base64.h"
#include "nix/reject_reason.h"

namespace hnx::nix {
namespace {

static_assert(kPublicKeySize == crypto_sign_PUBLICKEYBYTES);
static_assert(kSecretKeySize == crypto_sign_SECRETKEYBYTES);
static_assert(kSignatureSize == crypto_sign_BYTES);

void InitialiseSodium() {
  static const int kResult = sodium_init();
  HNX_CHECK(kResult >= 0);
}

// Blanks would break nix.conf's list of keys, control characters the logs.
bool IsKeyName(std::string_view name) {
  return !name.empty() && name.size() <= kKeyNameLengthMax &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~'; });
}

struct NamedBytes {
  std::string_view name;
  Bytes bytes;
};

// "<name>:<base64>", the name ending at the first colon.
Result<NamedBytes> ParseNamed(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    return InvalidArgument("no ':' between name and base64");
  }
  const std::string_view name = text.substr(0, colon);
  if (!IsKeyName(name)) {
    return InvalidArgument("the name before ':' is empty, too long or has blanks");
  }
  HNX_ASSIGN_OR_RETURN(Bytes bytes, DecodeBase64(text.substr(colon + 1)));
  return NamedBytes{name, std::move(bytes)};
}

Error BadKey(std::string_view name, std::string_view why) {
  return Reject(ErrorCode::kInvalidArgument, RejectReason::kKeyInvalid,
                fmt::format("parse key '{}': {}", name, why));
}

// A name for messages that cannot be a secret: what stands before the colon, if there is one.
std::string_view NameForMessages(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon == std::string_view::npos ? 0 : colon);
  return IsKeyName(name) ? name : "?";
}

std::string Render(std::string_view name, ByteView bytes) {
  return fmt::format("{}:{}", name, EncodeBase64(bytes));
}

}  // namespace

Result<Signature> Signature::Parse(std::string_view text) {
  auto named = ParseNamed(text);
  if (!named.has_value()) {
    return Reject(ErrorCode::kInvalidArgument, RejectReason::kSignatureMalformed,
                  fmt::format("parse Sig: {}", named.error().message));
  }
  if (named->bytes.size() != kSignatureSize) {
    return Reject(ErrorCode::kInvalidArgument, RejectReason::kSignatureMalformed,
                  fmt::format("parse Sig of '{}': {} bytes instead of {}", named->name,
                              named->bytes.size(), kSignatureSize));
  }
  Signature signature;
  signature.key_name_ = named->name;
  std::copy(named->bytes.begin(), named->bytes.end(), signature.bytes_.begin());
  return signature;
}

std::string Signature::ToString() const {
  return Render(key_name_, bytes_);
}

Result<PublicKey> PublicKey::Parse(std::string_view text) {
  InitialiseSodium();
  auto named = ParseNamed(text);
  if (!named.has_value()) {
    return BadKey(NameForMessages(text), named.error().message);
  }
  if (named->bytes.size() == kSecretKeySize) {
    sodium_memzero(named->bytes.data(), named->bytes.size());
    return BadKey(named->name, "this is a secret key; give the public one, and keep this one safe");
  }
  if (named->bytes.size() != kPublicKeySize) {
    return BadKey(named->name,
                  fmt::format("{} bytes instead of {}", named->bytes.size(), kPublicKeySize));
  }
  if (crypto_core_ed25519_is_valid_point(UChars(ByteView(named->bytes))) != 1) {
    return BadKey(named->name, "not a public key: no point of the curve's main subgroup");
  }
  PublicKey key;
  key.name_ = named->name;
  std::copy(named->bytes.begin(), named->bytes.end(), key.bytes_.begin());
  return key;
}

std::string PublicKey::ToString() const {
  return Render(name_, bytes_);
}

bool PublicKey::Verify(std::string_view message, const Signature& signature) const {
  return crypto_sign_verify_detached(UChars(signature.bytes()), UChars(AsBytes(message)),
                                     message.size(), UChars(bytes())) == 0;
}

Result<SecretKey> SecretKey::Parse(std::string_view text) {
  InitialiseSodium();
  auto named = ParseNamed(text);
  if (!named.has_value()) {
    return BadKey(NameForMessages(text), named.error().message);
  }
  if (named->bytes.size() != kSecretKeySize) {
    return BadKey(named->name, fmt::format("{} bytes instead of the {} of a secret key",
                                           named->bytes.size(), kSecretKeySize));
  }
  SecretKey key;
  key.name_ = named->name;
  std::copy(named->bytes.begin(), named->bytes.end(), key.bytes_.begin());
  sodium_memzero(named->bytes.data(), named->bytes.size());
  return key;
}

Result<SecretKey> SecretKey::Generate(std::string_view name) {
  InitialiseSodium();
  std::array<std::byte, crypto_sign_SEEDBYTES> seed{};
  randombytes_buf(seed.data(), seed.size());
  auto key = FromSeed(name, seed);
  sodium_memzero(seed.data(), seed.size());
  return key;
}

Result<SecretKey> SecretKey::FromSeed(std::string_view name, ByteView seed_of_32_bytes) {
  InitialiseSodium();
  HNX_CHECK(seed_of_32_bytes.size() == crypto_sign_SEEDBYTES);
  if (!IsKeyName(name) || name.find(':') != std::string_view::npos) {
    return BadKey(NameForMessages(name), "the name must be printable, without blanks and ':'");
  }
  SecretKey key;
  key.name_ = name;
  std::array<unsigned char, crypto_sign_PUBLICKEYBYTES> public_key{};
  HNX_CHECK(crypto_sign_seed_keypair(public_key.data(), UChars(std::span<std::byte>(key.bytes_)),
                                     UChars(seed_of_32_bytes)) == 0);
  return key;
}

SecretKey::SecretKey(SecretKey&& other) noexcept
    : name_(std::move(other.name_)), bytes_(other.bytes_) {
  other.Wipe();
}

SecretKey& SecretKey::operator=(SecretKey&& other) noexcept {
  if (this != &other) {
    name_ = std::move(other.name_);
    bytes_ = other.bytes_;
    other.Wipe();
  }
  return *this;
}

SecretKey::~SecretKey() {
  Wipe();
}

void SecretKey::Wipe() {
  sodium_memzero(bytes_.data(), bytes_.size());
}

PublicKey SecretKey::public_key() const {
  PublicKey key;
  key.name_ = name_;
  const ByteView half = ByteView(bytes_).last(kPublicKeySize);
  std::copy(half.begin(), half.end(), key.bytes_.begin());
  return key;
}

Signature SecretKey::Sign(std::string_view message) const {
  Signature signature;
  signature.key_name_ = name_;
  HNX_CHECK(crypto_sign_detached(UChars(std::span<std::byte>(signature.bytes_)), nullptr,
                                 UChars(AsBytes(message)), message.size(),
                                 UChars(ByteView(bytes_))) == 0);
  return signature;
}

std::string SecretKey::ToSecretText() const {
  return Render(name_, bytes_);
}

}  // namespace hnx::nix
