// Hash: a digest with its algorithm, in every spelling that Nix reads; and the incremental hashers
// (OpenSSL EVP, which uses the CPU's SHA instructions) that the layers above take from here.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

// OpenSSL's digest context; its header stays in hash.cc.
struct evp_md_ctx_st;

namespace hnx::nix {

enum class HashAlgorithm { kMd5, kSha1, kSha256, kSha512 };

constexpr std::size_t kSha256Size = 32;
constexpr std::size_t kHashSizeMax = 64;
using Sha256Digest = std::array<std::byte, kSha256Size>;

// "sha256"
std::string_view HashAlgorithmName(HashAlgorithm algorithm);
Result<HashAlgorithm> ParseHashAlgorithm(std::string_view name);
constexpr std::size_t HashSize(HashAlgorithm algorithm) {
  switch (algorithm) {
    case HashAlgorithm::kMd5:
      return 16;
    case HashAlgorithm::kSha1:
      return 20;
    case HashAlgorithm::kSha256:
      return kSha256Size;
    case HashAlgorithm::kSha512:
      return kHashSizeMax;
  }
  return 0;
}

// A value; always complete.
class Hash {
 public:
  // "<algorithm>:<hex, nix32 or base64, told apart by length>" or SRI "<algorithm>-<base64>".
  static Result<Hash> Parse(std::string_view text);
  // The part after the colon.
  static Result<Hash> ParseDigest(HashAlgorithm algorithm, std::string_view text);
  // `digest` must have HashSize(algorithm) bytes.
  static Hash FromDigest(HashAlgorithm algorithm, ByteView digest);
  static Hash FromSha256(const Sha256Digest& digest);

  HashAlgorithm algorithm() const { return algorithm_; }
  ByteView bytes() const { return {digest_.data(), HashSize(algorithm_)}; }

  // "sha256:<nix32>", as narinfos and fingerprints write it.
  std::string ToNix32() const;
  // The digits alone, lower case.
  std::string ToHex() const;
  // The nix32 digits alone, as NAR files are named.
  std::string ToNix32Digits() const;

  // Unused bytes are zero, so comparing all is comparing the digest.
  bool operator==(const Hash&) const = default;

 private:
  explicit Hash(HashAlgorithm algorithm) : algorithm_(algorithm) {}

  HashAlgorithm algorithm_;
  std::array<std::byte, kHashSizeMax> digest_{};
};

// Incremental hasher. Not thread-safe; movable. After Finish it must not be used again.
class Hasher {
 public:
  explicit Hasher(HashAlgorithm algorithm);

  void Update(ByteView bytes);
  Hash Finish();

 private:
  struct ContextDeleter {
    void operator()(evp_md_ctx_st* context) const;
  };
  HashAlgorithm algorithm_;
  std::unique_ptr<evp_md_ctx_st, ContextDeleter> context_;
};

// The same for the one algorithm that nearly everything uses.
class Sha256 {
 public:
  Sha256() : hasher_(HashAlgorithm::kSha256) {}

  void Update(ByteView bytes) { hasher_.Update(bytes); }
  Sha256Digest Finish();

  static Sha256Digest Of(ByteView bytes);

 private:
  Hasher hasher_;
};

}  // namespace hnx::nix
