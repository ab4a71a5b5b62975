#include "hyper/blobs/hyperblobs.h"

#include <algorithm>
#include <vector>

#include <fmt/core.h>

namespace hnx::hyper {

namespace {

std::string Describe(const BlobId& blob) {
  return fmt::format("blob of {} bytes at {}, blocks {} to {}", blob.byte_length, blob.byte_offset,
                     blob.block_offset, blob.block_offset + blob.block_length);
}

// The block of the blob that holds byte `at` of the core.
Result<BlockIndex> BlockWith(CoreReader& core, const BlobId& blob, std::uint64_t at) {
  std::uint64_t low = blob.block_offset;
  std::uint64_t high = blob.block_offset + blob.block_length;
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    HNX_ASSIGN_OR_RETURN(const ByteRange bytes, core.Locate(BlockIndex(middle)));
    (bytes.begin.value() <= at ? low : high) = middle;
  }
  return BlockIndex(low);
}

}  // namespace

BlobId BlobIdOf(const StagedRange& range) {
  return BlobId{range.blocks.begin.value(), range.blocks.length(), range.bytes.begin.value(),
                range.bytes.length()};
}

Result<BlobId> StageBlob(Hypercore& core, ByteView content) {
  if (content.empty()) {
    return BlobId{core.staged_length(), 0, core.staged_byte_length(), 0};
  }
  std::vector<ByteView> blocks;
  blocks.reserve(content.size() / kBlobBlockBytes + 1);
  for (std::size_t at = 0; at < content.size(); at += kBlobBlockBytes) {
    blocks.push_back(
        content.subspan(at, std::min<std::size_t>(kBlobBlockBytes, content.size() - at)));
  }
  HNX_ASSIGN_OR_RETURN(const StagedRange range, core.StageBlocks(blocks));
  return BlobIdOf(range);
}

Result<void> CheckBlobBounds(const BlobId& blob, std::uint64_t length, std::uint64_t byte_length) {
  if (blob.block_offset > length || blob.block_length > length - blob.block_offset) {
    return DataLoss(fmt::format("{}: the content core has only {} blocks", Describe(blob), length));
  }
  if (blob.byte_offset > byte_length || blob.byte_length > byte_length - blob.byte_offset) {
    return DataLoss(
        fmt::format("{}: the content core has only {} bytes", Describe(blob), byte_length));
  }
  if (blob.block_length == 0 && blob.byte_length != 0) {
    return DataLoss(fmt::format("{}: bytes without blocks", Describe(blob)));
  }
  return {};
}

Result<void> ReadBlob(CoreReader& core, const BlobId& blob, std::uint64_t offset,
                      std::uint64_t length, const BlobSink& sink) {
  if (offset > blob.byte_length || length > blob.byte_length - offset) {
    return Error{ErrorCode::kOutOfRange,
                 fmt::format("bytes {} to {} of a {}", offset, offset + length, Describe(blob))};
  }
  HNX_TRY(CheckBlobBounds(blob, core.length(), core.byte_length()));
  if (length == 0) {
    return {};
  }
  const BlockRange blocks{BlockIndex(blob.block_offset),
                          BlockIndex(blob.block_offset + blob.block_length)};
  HNX_ASSIGN_OR_RETURN(const ByteRange bytes, core.Locate(blocks));
  if (bytes.begin.value() != blob.byte_offset || bytes.length() != blob.byte_length) {
    return DataLoss(fmt::format("{}: its blocks hold bytes {} to {}", Describe(blob),
                                bytes.begin.value(), bytes.end.value()));
  }
  HNX_ASSIGN_OR_RETURN(BlockIndex block, BlockWith(core, blob, blob.byte_offset + offset));
  HNX_ASSIGN_OR_RETURN(const ByteRange first, core.Locate(block));
  std::uint64_t skip = blob.byte_offset + offset - first.begin.value();
  for (std::uint64_t left = length; left > 0; ++block) {
    HNX_ASSIGN_OR_RETURN(const Bytes content, core.Get(block));
    if (skip > content.size()) {
      return DataLoss(
          fmt::format("{}: block {} is shorter than the tree says", Describe(blob), block.value()));
    }
    const ByteView piece =
        ByteView(content).subspan(skip).first(std::min<std::uint64_t>(left, content.size() - skip));
    HNX_TRY(sink(piece));
    left -= piece.size();
    skip = 0;
  }
  return {};
}

}  // namespace hnx::hyper
