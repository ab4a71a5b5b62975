#include "hyper/replication/blob_fetch.h"

#include <algorithm>
#include <string>
#include <utility>

namespace hnx::hyper {
namespace {

std::string Describe(const BlobId& blob) {
  return "blob of " + std::to_string(blob.byte_length) + " bytes in " +
         std::to_string(blob.block_length) + " blocks from " + std::to_string(blob.block_offset);
}

// Cut as JavaScript and we cut blobs: then the block of a byte is known without the tree.
bool Regular(const BlobId& blob) {
  return blob.block_length == (blob.byte_length + kBlobBlockBytes - 1) / kBlobBlockBytes;
}

}  // namespace

Result<std::unique_ptr<BlobFetch>> BlobFetch::Make(Downloader& downloader, const BlobRange& range,
                                                   int priority, OnPiece on_piece, OnDone on_done) {
  const BlobId& blob = range.blob;
  if (range.offset > blob.byte_length || range.length > blob.byte_length - range.offset) {
    return Error{ErrorCode::kOutOfRange, "bytes " + std::to_string(range.offset) + " to " +
                                             std::to_string(range.offset + range.length) +
                                             " of a " + Describe(blob)};
  }
  if ((blob.block_length == 0 && blob.byte_length != 0) ||
      blob.block_length > flat_tree::kBlocksMax ||
      blob.block_offset > flat_tree::kBlocksMax - blob.block_length) {
    return DataLoss(Describe(blob) + ": it cannot lie there");
  }
  return std::unique_ptr<BlobFetch>(
      new BlobFetch(downloader, range, priority, std::move(on_piece), std::move(on_done)));
}

BlobFetch::BlobFetch(Downloader& downloader, const BlobRange& range, int priority, OnPiece on_piece,
                     OnDone on_done)
    : downloader_(downloader),
      range_(range),
      priority_(priority),
      on_piece_(std::move(on_piece)),
      on_done_(std::move(on_done)),
      left_(range.length) {
  const BlobId& blob = range_.blob;
  end_ = blob.block_offset + blob.block_length;
  // A blob that is cut otherwise is read from its beginning.
  const std::uint64_t before = Regular(blob) ? range_.offset / kBlobBlockBytes : 0;
  next_ask_ = next_give_ = blob.block_offset + before;
  skip_ = range_.offset - before * kBlobBlockBytes;
  if (Regular(blob) && range_.length > 0) {
    end_ = blob.block_offset + (range_.offset + range_.length - 1) / kBlobBlockBytes + 1;
  }
}

BlobFetch::~BlobFetch() {
  *alive_ = false;
  for (const auto& [block, id] : asked_) {
    downloader_.CancelFetch(id);
  }
}

void BlobFetch::Resume() {
  paused_ = false;
  Run();
}

void BlobFetch::Finish(Result<void> result) {
  const OnDone done = std::exchange(on_done_, nullptr);
  if (done) {
    done(std::move(result));
  }
}

// Asks and hands over until neither is possible. Either may end the object, and a block that is
// here comes back from within the asking.
void BlobFetch::Run() {
  if (running_) {
    return;
  }
  running_ = true;
  const std::shared_ptr<bool> alive = alive_;
  bool more = true;
  while (more && *alive && on_done_) {
    if (left_ == 0) {
      Finish({});
      break;
    }
    more = AskMore();
    if (*alive && on_done_) {
      more = HandOver() || more;
    }
  }
  if (*alive) {
    running_ = false;
  }
}

bool BlobFetch::AskMore() {
  const std::uint64_t ahead = next_ask_ - next_give_;
  if (next_ask_ >= end_ || ahead >= kBlobFetchBlocksMax ||
      ahead * kBlobBlockBytes >= kBlobFetchBytesMax) {
    return false;
  }
  const std::uint64_t block = next_ask_++;
  const std::shared_ptr<bool> alive = alive_;
  const Result<FetchId> id =
      downloader_.Fetch(BlockIndex(block), priority_, [this, alive, block](Result<Bytes> bytes) {
        if (*alive) {
          OnBlock(block, std::move(bytes));
        }
      });
  if (!*alive) {
    return false;
  }
  if (!id) {
    Finish(id.error());
    return false;
  }
  if (!arrived_.contains(block) && block >= next_give_) {
    asked_.emplace(block, *id);
  }
  return true;
}

void BlobFetch::OnBlock(std::uint64_t block, Result<Bytes> bytes) {
  asked_.erase(block);
  if (!on_done_) {
    return;
  }
  if (!bytes) {
    Finish(bytes.error().Annotate("read a " + Describe(range_.blob)));
    return;
  }
  arrived_.emplace(block, *std::move(bytes));
  Run();
}

bool BlobFetch::HandOver() {
  const auto at = arrived_.find(next_give_);
  if (paused_ || at == arrived_.end()) {
    return false;
  }
  const Bytes bytes = std::move(at->second);
  arrived_.erase(at);
  ++next_give_;
  const BlobId& blob = range_.blob;
  const bool last_of_blob = next_give_ == blob.block_offset + blob.block_length;
  if (Regular(blob) && bytes.size() != kBlobBlockBytes &&
      !(last_of_blob && bytes.size() == (blob.byte_length - 1) % kBlobBlockBytes + 1)) {
    Finish(DataLoss(Describe(blob) + ": block " + std::to_string(next_give_ - 1) + " has " +
                    std::to_string(bytes.size()) + " bytes"));
    return false;
  }
  const std::uint64_t skipped = std::min<std::uint64_t>(skip_, bytes.size());
  skip_ -= skipped;
  const ByteView piece = ByteView(bytes).subspan(skipped).first(
      std::min<std::uint64_t>(left_, bytes.size() - skipped));
  left_ -= piece.size();
  if (left_ > 0 && next_give_ == end_) {
    Finish(DataLoss(Describe(blob) + ": its blocks hold " + std::to_string(left_) + " bytes less"));
    return false;
  }
  if (!piece.empty()) {
    on_piece_(piece);
  }
  return true;
}

}  // namespace hnx::hyper
