// BlobId: where a blob lies in its content core, as a drive entry names it
// (docs/formats/hyperblobs.md). Because `data` is all blocks concatenated, byte_offset is also the
// file offset of the blob's first byte there.
#pragma once

#include <compare>
#include <cstdint>

namespace hnx::hyper {

// JavaScript's numbers are exact up to here; an entry with a larger one is refused.
inline constexpr std::uint64_t kSafeIntegerMax = (std::uint64_t{1} << 53) - 1;

// The block size JavaScript cuts blobs into, and ours.
inline constexpr std::uint64_t kBlobBlockBytes = 65'536;

struct BlobId {
  std::uint64_t block_offset = 0;  // index of the first block
  std::uint64_t block_length = 0;  // number of blocks; 0 for an empty blob
  std::uint64_t byte_offset = 0;
  std::uint64_t byte_length = 0;

  auto operator<=>(const BlobId&) const = default;
};

}  // namespace hnx::hyper
