// LiveBlocks: which blocks of a content core the entries of one version reach: one bit a block, so
// that a drive of any number of files is looked through in little memory. Internal to this folder.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "hyper/blobs/blob_id.h"
#include "hyper/codec/index_types.h"

namespace hnx::hyper {

// A longer core is refused: 32 MiB of bits.
inline constexpr std::uint64_t kLiveBlocksMax = std::uint64_t{1} << 28;

class LiveBlocks {
 public:
  // Of the blocks below `content_end` only, if any. kResourceExhausted: more than kLiveBlocksMax.
  static Result<LiveBlocks> Make(std::uint64_t content_length,
                                 std::optional<std::uint64_t> content_end = std::nullopt);

  // A blob that ends beyond `content_end` does not count. kUnavailable: the blob ends beyond the
  // core as it is known here; a longer head is on its way.
  Result<void> Add(const BlobId& blob);

  struct Run {
    BlockRange blocks;
    bool live = false;
  };
  // The blocks from `begin`, which is within the core, that are all live or all not; at most so
  // many.
  Run RunAt(BlockIndex begin, std::uint64_t blocks_max) const;
  BlockIndex length() const { return BlockIndex(live_.size()); }
  // Behind the last live block.
  std::uint64_t end() const { return end_; }

 private:
  LiveBlocks(std::uint64_t length, std::optional<std::uint64_t> counted_end)
      : live_(length), counted_end_(counted_end) {}

  std::vector<bool> live_;
  std::optional<std::uint64_t> counted_end_;
  std::uint64_t end_ = 0;
};

}  // namespace hnx::hyper
