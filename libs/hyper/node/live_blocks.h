// LiveBlocks: which blocks of a content core the entries of one version reach: one bit a block, so
// that a drive of any number of files is looked through in little memory. Internal to this folder.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "hyper/blobs/blob_id.h"
#include "hyper/codec/index_types.h"

namespace hnx::hyper {

// A longer core is refused: 32 MiB of bits.
inline constexpr std::uint64_t kLiveBlocksMax = std::uint64_t{1} << 28;

class LiveBlocks {
 public:
  // kResourceExhausted: more than kLiveBlocksMax.
  static Result<LiveBlocks> Make(std::uint64_t content_length);

  // kUnavailable: the blob ends beyond the core as it is known here; a longer head is on its way.
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
  explicit LiveBlocks(std::uint64_t content_length) : live_(content_length) {}

  std::vector<bool> live_;
  std::uint64_t end_ = 0;
};

}  // namespace hnx::hyper
