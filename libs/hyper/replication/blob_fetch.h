// BlobFetch: a range of a blob, streamed in order from a sparse core while it arrives: blocks that
// are here come from disk, the others from peers, kBlobFetchBytesMax ahead of the reader at most.
// Every piece is verified before it is handed over; a peer that dies costs its blocks in flight.
//
// Threads: that of the Replicator. on_piece and on_done may call Pause and Resume, or destroy the
// BlobFetch; after on_done nothing is called.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "base/result.h"
#include "hyper/blobs/blob_id.h"
#include "hyper/replication/downloader.h"

namespace hnx::hyper {

// Blocks asked for or held beyond what the reader took, in bytes and in number.
inline constexpr std::uint64_t kBlobFetchBytesMax = std::uint64_t{4} << 20;
inline constexpr std::uint64_t kBlobFetchBlocksMax = 64;

struct BlobRange {
  BlobId blob;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

class BlobFetch {
 public:
  using OnPiece = std::function<void(ByteView)>;
  using OnDone = std::function<void(Result<void>)>;

  // `downloader` must outlive it. Begins with Start. kOutOfRange: beyond the blob.
  static Result<std::unique_ptr<BlobFetch>> Make(Downloader& downloader, const BlobRange& range,
                                                 int priority, OnPiece on_piece, OnDone on_done);
  ~BlobFetch();
  BlobFetch(const BlobFetch&) = delete;
  BlobFetch& operator=(const BlobFetch&) = delete;
  BlobFetch(BlobFetch&&) = delete;
  BlobFetch& operator=(BlobFetch&&) = delete;

  void Start() { Run(); }
  // No piece is handed over until Resume; at most the named limits are fetched meanwhile.
  void Pause() { paused_ = true; }
  void Resume();

 private:
  BlobFetch(Downloader& downloader, const BlobRange& range, int priority, OnPiece on_piece,
            OnDone on_done);

  void Run();
  bool AskMore();
  bool HandOver();
  void OnBlock(std::uint64_t block, Result<Bytes> bytes);
  void Finish(Result<void> result);

  Downloader& downloader_;
  const BlobRange range_;
  const int priority_;
  OnPiece on_piece_;
  OnDone on_done_;
  std::uint64_t skip_ = 0;      // bytes before the range, in blocks that are fetched
  std::uint64_t left_ = 0;      // bytes of the range not handed over
  std::uint64_t next_ask_ = 0;  // blocks of the core
  std::uint64_t next_give_ = 0;
  std::uint64_t end_ = 0;
  std::map<std::uint64_t, FetchId> asked_;
  std::map<std::uint64_t, Bytes> arrived_;
  bool paused_ = false;
  bool running_ = false;
  // Outlives the object: callbacks look here whether it is still there.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace hnx::hyper
