// NarFileVerifier: decides, while it streams by, whether a NAR file is what its signed narinfo
// says: hash of the file, decompression, NAR grammar, hash of the NAR, and the content address
// where that is all the trust there is. Used by the worker, `hyp verify` and import alike.
//
// Output is bounded by the signed NarSize: decoding stops at the first byte beyond it. Memory is
// the decoder's dictionary and one output buffer. One thread at a time, any thread.
//
//   HNX_ASSIGN_OR_RETURN(auto verifier, NarFileVerifier::Create(NarExpectation::Of(info, trust)));
//   while (...) HNX_TRY(verifier->Feed(chunk));
//   HNX_ASSIGN_OR_RETURN(NarFileVerdict verdict, verifier->Finish());
//
// Errors carry a RejectReason: kDataLoss for wrong hash, size or grammar, kInvalidArgument for a
// compressed stream that is no such stream, kUnavailable for one that was cut (fetch again).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "nix/compression.h"
#include "nix/content_address.h"
#include "nix/decompressor.h"
#include "nix/hash.h"
#include "nix/nar_info.h"
#include "nix/store_path.h"
#include "nix/trusted_keys.h"

namespace hnx::nix {

struct NarExpectation {
  Compression compression = Compression::kNone;
  Hash nar_hash;
  std::uint64_t nar_size = 0;
  // Unsigned: a difference is drift, counted and not fatal.
  std::optional<Hash> file_hash;
  std::optional<std::uint64_t> file_size;
  // Set when the path is trusted by its content address alone.
  std::optional<ContentAddress> content_address;
  // Set with it when the path refers to itself: its occurrences are left out of the hash.
  std::optional<StorePathHash> self_reference;

  static NarExpectation Of(const NarInfo& info, const Trust& trust);
};

// What a file that passed was.
struct NarFileVerdict {
  std::uint64_t file_size = 0;
  Hash file_hash;  // SHA-256 of the file as it is
  std::uint64_t nar_size = 0;
  bool file_hash_drift = false;
  bool file_size_drift = false;
  bool case_hack_name = false;
  bool high_ratio = false;  // over kHighRatio bytes of NAR a byte of file
};

constexpr std::uint64_t kHighRatio = 1000;

class NarFileVerifier {
 public:
  static Result<std::unique_ptr<NarFileVerifier>> Create(const NarExpectation& expectation,
                                                         const DecompressorLimits& limits = {});
  virtual ~NarFileVerifier() = default;
  NarFileVerifier(const NarFileVerifier&) = delete;
  NarFileVerifier& operator=(const NarFileVerifier&) = delete;
  NarFileVerifier(NarFileVerifier&&) = delete;
  NarFileVerifier& operator=(NarFileVerifier&&) = delete;

  // The next bytes of the file. After an error it and Finish return that error again.
  virtual Result<void> Feed(ByteView bytes) = 0;
  virtual Result<NarFileVerdict> Finish() = 0;
  virtual std::uint64_t nar_bytes() const = 0;

 protected:
  NarFileVerifier() = default;
};

}  // namespace hnx::nix
