#include "hyper/node/live_blocks.h"

#include <algorithm>

#include <fmt/format.h>

namespace hnx::hyper {

Result<LiveBlocks> LiveBlocks::Make(std::uint64_t content_length) {
  if (content_length > kLiveBlocksMax) {
    return ResourceExhausted(fmt::format("a content core of {} blocks: at most {} are kept whole",
                                         content_length, kLiveBlocksMax));
  }
  return LiveBlocks(content_length);
}

Result<void> LiveBlocks::Add(const BlobId& blob) {
  if (blob.block_length == 0) {
    return {};
  }
  if (blob.block_offset > live_.size() || blob.block_length > live_.size() - blob.block_offset) {
    return Unavailable(
        fmt::format("a blob of {} blocks from {} lies beyond the content core's length {} so far",
                    blob.block_length, blob.block_offset, live_.size()));
  }
  end_ = std::max(end_, blob.block_offset + blob.block_length);
  for (std::uint64_t at = blob.block_offset; at < blob.block_offset + blob.block_length; ++at) {
    live_[at] = true;
  }
  return {};
}

LiveBlocks::Run LiveBlocks::RunAt(BlockIndex begin, std::uint64_t blocks_max) const {
  const bool live = live_[begin.value()];
  std::uint64_t end = begin.value() + 1;
  while (end < live_.size() && end - begin.value() < blocks_max && live_[end] == live) {
    ++end;
  }
  return {{begin, BlockIndex(end)}, live};
}

}  // namespace hnx::hyper
