#include "nix/hash.h"

#include <algorithm>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "base/check.h"
#include "base/hex.h"
#include "nix/base64.h"
#include "nix/nix_base32.h"

namespace hnx::nix {
namespace {

const EVP_MD* EvpOf(HashAlgorithm algorithm) {
  switch (algorithm) {
    case HashAlgorithm::kMd5:
      return EVP_md5();
    case HashAlgorithm::kSha1:
      return EVP_sha1();
    case HashAlgorithm::kSha256:
      return EVP_sha256();
    case HashAlgorithm::kSha512:
      return EVP_sha512();
  }
  return nullptr;
}

// Fetched once: EVP_sha256() makes every DigestInit look the implementation up again.
const EVP_MD* FetchedSha256() {
  static const EVP_MD* const fetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return fetched != nullptr ? fetched : EVP_sha256();
}

constexpr std::size_t Base64Length(std::size_t byte_count) {
  return (byte_count + 2) / 3 * 4;
}

}  // namespace

std::string_view HashAlgorithmName(HashAlgorithm algorithm) {
  switch (algorithm) {
    case HashAlgorithm::kMd5:
      return "md5";
    case HashAlgorithm::kSha1:
      return "sha1";
    case HashAlgorithm::kSha256:
      return "sha256";
    case HashAlgorithm::kSha512:
      return "sha512";
  }
  return "unknown";
}

Result<HashAlgorithm> ParseHashAlgorithm(std::string_view name) {
  for (const HashAlgorithm algorithm : {HashAlgorithm::kMd5, HashAlgorithm::kSha1,
                                        HashAlgorithm::kSha256, HashAlgorithm::kSha512}) {
    if (HashAlgorithmName(algorithm) == name) {
      return algorithm;
    }
  }
  return InvalidArgument("parse hash: unknown algorithm; known are md5, sha1, sha256 and sha512");
}

Result<Hash> Hash::Parse(std::string_view text) {
  const std::size_t separator = text.find_first_of(":-");
  if (separator == std::string_view::npos) {
    return InvalidArgument("parse hash: no algorithm before the digest");
  }
  HNX_ASSIGN_OR_RETURN(const HashAlgorithm algorithm,
                       ParseHashAlgorithm(text.substr(0, separator)));
  const std::string_view digest = text.substr(separator + 1);
  if (text[separator] == '-' && digest.size() != Base64Length(HashSize(algorithm))) {
    return InvalidArgument("parse hash: an SRI hash must be base64 of the whole digest");
  }
  return ParseDigest(algorithm, digest);
}

Result<Hash> Hash::ParseDigest(HashAlgorithm algorithm, std::string_view text) {
  const std::size_t size = HashSize(algorithm);
  Bytes digest;
  if (text.size() == 2 * size) {
    HNX_ASSIGN_OR_RETURN(digest, DecodeHex(text));
  } else if (text.size() == NixBase32Length(size)) {
    HNX_ASSIGN_OR_RETURN(digest, DecodeNixBase32(text, size));
  } else if (text.size() == Base64Length(size)) {
    HNX_ASSIGN_OR_RETURN(digest, DecodeBase64(text));
  }
  if (digest.size() != size) {
    return InvalidArgument(
        fmt::format("parse hash: {} characters are no {} digest in hex, nix32 or base64",
                    text.size(), HashAlgorithmName(algorithm)));
  }
  return FromDigest(algorithm, digest);
}

Hash Hash::FromDigest(HashAlgorithm algorithm, ByteView digest) {
  HNX_CHECK(digest.size() == HashSize(algorithm));
  Hash hash(algorithm);
  std::copy(digest.begin(), digest.end(), hash.digest_.begin());
  return hash;
}

Hash Hash::FromSha256(const Sha256Digest& digest) {
  return FromDigest(HashAlgorithm::kSha256, digest);
}

std::string Hash::ToNix32() const {
  return fmt::format("{}:{}", HashAlgorithmName(algorithm_), ToNix32Digits());
}

std::string Hash::ToHex() const {
  return EncodeHex(bytes());
}

std::string Hash::ToNix32Digits() const {
  return EncodeNixBase32(bytes());
}

void Hasher::ContextDeleter::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

Hasher::Hasher(HashAlgorithm algorithm) : algorithm_(algorithm), context_(EVP_MD_CTX_new()) {
  const EVP_MD* const digest =
      algorithm == HashAlgorithm::kSha256 ? FetchedSha256() : EvpOf(algorithm);
  HNX_CHECK(context_ != nullptr);
  HNX_CHECK(EVP_DigestInit_ex(context_.get(), digest, nullptr) == 1);
}

void Hasher::Update(ByteView bytes) {
  HNX_CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
}

Hash Hasher::Finish() {
  std::array<std::byte, kHashSizeMax> digest{};
  unsigned size = 0;
  HNX_CHECK(EVP_DigestFinal_ex(context_.get(), UChars(std::span<std::byte>(digest)), &size) == 1);
  return Hash::FromDigest(algorithm_, ByteView(digest).first(size));
}

Sha256Digest Sha256::Finish() {
  const Hash hash = hasher_.Finish();
  Sha256Digest digest{};
  std::copy(hash.bytes().begin(), hash.bytes().end(), digest.begin());
  return digest;
}

Sha256Digest Sha256::Of(ByteView bytes) {
  Sha256 hasher;
  hasher.Update(bytes);
  return hasher.Finish();
}

}  // namespace hnx::nix
