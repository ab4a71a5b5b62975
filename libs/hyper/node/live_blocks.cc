#include "hyper/node/live_blocks.h"

#include <algorithm>

#include <fmt/format.h>

namespace hnx::hyper {

Result<LiveBlocks> LiveBlocks::Make(std::uint64_t content_length,
                                    std::optional<std::uint64_t> content_end) {
  if (content_length > kLiveBlocksMax) {
    return ResourceExhausted(fmt::format("a content core of {} blocks: at most {} are kept whole",
                                         content_length, kLiveBlocksMax));
  }
  return LiveBlocks(std::min(content_length, content_end.value_or(content_length)), content_end);
}

Result<void> LiveBlocks::Add(const BlobId& blob) {
  const bool counts = !counted_end_ || (blob.block_offset <= *counted_end_ &&
                                        blob.block_length <= *counted_end_ - blob.block_offset);
  if (blob.block_length == 0 || !counts) {
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
