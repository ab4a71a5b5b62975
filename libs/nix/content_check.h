// ContentCheck: whether the content of a NAR has the hash that its content address names. This is
// all that binds the bytes of a path that nobody signed. Fed with the same NAR twice: with the
// bytes as they stream, and as the visitor of their reader. Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "nix/content_address.h"
#include "nix/hash.h"
#include "nix/nar_reader.h"
#include "nix/store_path.h"

namespace hnx::nix {

// Hash of a stream in which every occurrence of a store path's own hash part counts as zeros; the
// places are hashed behind it ("|<offset>" each), so that leaving them out loses nothing.
class ModuloHasher {
 public:
  // More occurrences are refused: their offsets are the one thing that grows with the NAR.
  static constexpr std::size_t kOccurrencesMax = 1'000'000;

  ModuloHasher(HashAlgorithm algorithm, const StorePathHash& modulus);

  Result<void> Update(ByteView bytes);
  Hash Finish();

 private:
  Hasher hasher_;
  const std::string modulus_;
  std::string window_;  // what may still be the beginning of an occurrence
  std::uint64_t window_offset_ = 0;
  std::vector<std::uint64_t> occurrences_;
};

class ContentCheck final : public NarVisitor {
 public:
  ContentCheck(const ContentAddress& address, const std::optional<StorePathHash>& self_reference);

  Result<void> UpdateNar(ByteView bytes);
  // kDataLoss, content-address-content-mismatch, when the hash differs. `nar_sha256` is the NAR's.
  Result<void> Finish(const Hash& nar_sha256);

  Result<void> OnDirectory() override;
  Result<void> OnSymlink(std::string_view target) override;
  Result<void> OnRegular(bool executable, std::uint64_t size) override;
  Result<void> OnContents(ByteView piece) override;

 private:
  bool wants_single_file() const { return address_.method() != ContentAddress::Method::kRecursive; }
  Error Mismatch(std::string_view why) const;

  const ContentAddress address_;
  std::optional<Hasher> file_hasher_;        // text and flat
  std::optional<Hasher> nar_hasher_;         // recursive, not sha256
  std::optional<ModuloHasher> self_hasher_;  // recursive with a reference to itself
};

}  // namespace hnx::nix
