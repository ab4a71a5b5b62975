#include "hyper/node/remote_drive_view.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "hyper/drive/entry_list.h"
#include "hyper/drive/lock_blob.h"
#include "hyper/node/block_stream.h"
#include "hyper/node/remote_drive.h"
#include "hyper/replication/core_messages.h"

namespace hnx::hyper {

Result<void> CheckRemoteBlob(const BlobId& blob) {
  const bool fits = blob.block_offset <= kSafeIntegerMax && blob.block_length <= kSafeIntegerMax &&
                    blob.byte_offset <= kSafeIntegerMax && blob.byte_length <= kSafeIntegerMax;
  // Blocks are at most so large, and none is empty.
  if (!fits || blob.byte_length < blob.block_length ||
      blob.byte_length / kWireBlockBytesMax > blob.block_length ||
      (blob.block_length == 0) != (blob.byte_length == 0)) {
    return DataLoss(fmt::format("blob of {} bytes in {} blocks from {}: these cannot be right",
                                blob.byte_length, blob.block_length, blob.block_offset));
  }
  return {};
}

RemoteDriveView::RemoteDriveView(Parts parts)
    : parts_(std::move(parts)),
      key_(parts_.db->key().bytes),
      content_key_(parts_.content->key().bytes),
      blocks_(parts_.db, parts_.limits),
      store_(blocks_, parts_.cache) {}

Result<Bytes> RemoteDriveView::FetchedBlocks::ReadBlock(std::uint64_t seq) const {
  return BlockStream(core_, {BlockIndex(seq), BlockIndex(seq + 1)}, 1, 0, limits_).Next();
}

// What it does not find, or cannot read, is asked of this view's own version.
std::optional<DriveEntry> RemoteDriveView::OlderEntry(std::string_view path) const {
  const Result<std::uint64_t> in_reach = parts_.db->LengthInReach();
  if (!in_reach || *in_reach == 0 || *in_reach >= parts_.version) {
    return std::nullopt;
  }
  Result<std::optional<DriveEntry>> entry = FindDriveEntry(BeeSnapshot(store_, *in_reach), path);
  return entry ? *std::move(entry) : std::nullopt;
}

Result<std::optional<DriveEntry>> RemoteDriveView::Entry(std::string_view path) const {
  if (parts_.older_entries) {
    if (std::optional<DriveEntry> older = OlderEntry(path)) {
      return older;
    }
  }
  return FindDriveEntry(BeeSnapshot(store_, parts_.version), path);
}

Result<std::unique_ptr<DriveList>> RemoteDriveView::List(std::string_view folder) const {
  return ListDriveEntries(BeeSnapshot(store_, parts_.version), folder);
}

Result<BlobExtent> RemoteDriveView::Locate(const BlobId& blob) const {
  HNX_TRY(CheckRemoteBlob(blob));
  HNX_ASSIGN_OR_RETURN(const auto reader,
                       parts_.content->local().Borrow(blob.block_offset + blob.block_length));
  if (blob.block_offset + blob.block_length > reader->length()) {
    return NotFound(
        fmt::format("blob of {} bytes at {}: not here yet", blob.byte_length, blob.byte_offset));
  }
  auto locked = LockBlob(*reader, blob);
  if (!locked && locked.error().code == ErrorCode::kNotFound) {
    HNX_ASSIGN_OR_RETURN(const bool changed, reader->Refresh());
    if (changed) {
      return LockBlob(*reader, blob);
    }
  }
  return locked;
}

// The place of a block's bytes; fetches the block when its place is not known.
Result<ByteRange> RemoteDriveView::PlaceOf(BlockIndex block) const {
  HNX_TRY(BlockStream(parts_.content, {block, block + 1}, 1, 0, parts_.limits).Next());
  return parts_.content->Locate(block);
}

// Where byte `offset` of the blob lies. Blocks are of one size but for the last, usually: then the
// first guess is right.
Result<RemoteDriveView::Start> RemoteDriveView::FindStart(const BlobId& blob,
                                                          std::uint64_t offset) const {
  if (offset == 0) {
    return Start{BlockIndex(blob.block_offset), 0};
  }
  const std::uint64_t target = blob.byte_offset + offset;
  std::uint64_t low = blob.block_offset;
  std::uint64_t high = blob.block_offset + blob.block_length;  // exclusive
  std::uint64_t guess =
      blob.block_offset + std::min(offset / kBlobBlockBytes, blob.block_length - 1);
  while (low < high) {
    HNX_ASSIGN_OR_RETURN(const ByteRange bytes, PlaceOf(BlockIndex(guess)));
    if (target < bytes.begin.value()) {
      high = guess;
    } else if (target >= bytes.end.value()) {
      low = guess + 1;
    } else {
      return Start{BlockIndex(guess), target - bytes.begin.value()};
    }
    guess = low + (high - low) / 2;
  }
  return DataLoss(fmt::format("byte {} of a blob of {} bytes lies in none of its {} blocks", offset,
                              blob.byte_length, blob.block_length));
}

Result<void> RemoteDriveView::ReadBlob(const BlobId& blob, std::uint64_t offset,
                                       std::uint64_t length, const Sink& sink) const {
  HNX_TRY(CheckRemoteBlob(blob));
  if (offset > blob.byte_length || length > blob.byte_length - offset) {
    return Error{ErrorCode::kOutOfRange, fmt::format("bytes {} to {} of a blob of {} bytes", offset,
                                                     offset + length, blob.byte_length)};
  }
  if (length == 0) {
    return {};
  }
  HNX_ASSIGN_OR_RETURN(const Start start, FindStart(blob, offset));
  const std::uint64_t block_bytes = (blob.byte_length - 1) / blob.block_length + 1;
  // Not further ahead than what is wanted, with room for blocks of unequal size.
  const BlockIndex blob_end(blob.block_offset + blob.block_length);
  const std::uint64_t wanted = (start.skip + length - 1) / block_bytes + 2;
  const BlockIndex guessed_end = std::min(blob_end, start.block + wanted);
  const auto window = static_cast<std::size_t>(
      std::clamp<std::uint64_t>(kReadAheadBytes / block_bytes, 2, kReadAheadBlocksMax));
  std::uint64_t skip = start.skip;
  std::uint64_t left = length;
  BlockIndex at = start.block;
  for (BlockIndex end = guessed_end; left > 0; end = blob_end) {
    BlockStream stream(parts_.content, {at, end}, window, block_bytes, parts_.limits);
    for (; left > 0 && at < end; ++at) {
      HNX_ASSIGN_OR_RETURN(const Bytes content, stream.Next());
      if (skip >= content.size()) {
        return DataLoss(
            fmt::format("block {} of a blob has {} bytes only", at.value(), content.size()));
      }
      const ByteView piece = ByteView(content).subspan(skip).first(
          std::min<std::uint64_t>(left, content.size() - skip));
      HNX_TRY(sink(piece));
      left -= piece.size();
      skip = 0;
    }
    if (left > 0 && at >= blob_end) {
      return DataLoss(fmt::format("a blob of {} bytes: its {} blocks hold {} bytes less",
                                  blob.byte_length, blob.block_length, left));
    }
  }
  return {};
}

}  // namespace hnx::hyper
