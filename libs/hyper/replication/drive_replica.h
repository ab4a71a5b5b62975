// DriveReplica: a drive of somebody else, read with nothing but its key: what is looked at is
// fetched from peers, verified and kept; what was looked at before comes from disk.
//
//   DriveReplica::Open -> the db core is followed; WaitForVersion -> its newest head is known
//   Entry, List, ReadBlob: as DriveReader, blocking until the blocks are here
//   the same folder, read by DriveReader in this process or another one, shows what is here
//
// How it runs over the sparse core: a Hyperbee asks its BeeBlocks for one block at a time; here
// that is SparseCore::Block, which waits. Decoded blocks are cached, so that only new parts of the
// tree cost a round trip. Bytes of files stream through BlobFetch, which asks ahead. A thread that
// must not block uses db().downloader() and BlobFetch on the loop's thread.
//
// The content core is known from the Hyperbee's header, which is block 0 of the db core, or follows
// from the db core's manifest; it is opened when it is first needed.
//
// Threads: any but the loop's, many at once. How long a call may wait is told by a ReadDeadline on
// its thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/mutex.h"
#include "base/result.h"
#include "hyper/bee/bee_store.h"
#include "hyper/drive/drive_entry.h"
#include "hyper/drive/drive_key.h"
#include "hyper/drive/drive_reader.h"
#include "hyper/replication/sparse_core.h"

namespace hnx::hyper {

class DriveReplica {
 public:
  // Not on the loop's thread. Returns at once: nothing needs to be known of the drive yet.
  static Result<std::unique_ptr<DriveReplica>> Open(
      const ReplicaPlace& place, const DriveKey& key,
      std::size_t cache_bytes_max = kDriveReaderCacheBytesDefault);
  ~DriveReplica();
  DriveReplica(const DriveReplica&) = delete;
  DriveReplica& operator=(const DriveReplica&) = delete;
  DriveReplica(DriveReplica&&) = delete;
  DriveReplica& operator=(DriveReplica&&) = delete;

  const DriveKey& key() const { return key_; }
  // The newest version whose head is here; 0: nothing is known yet.
  std::uint64_t version() const { return db_->head().length; }
  // kDeadlineExceeded: no peer proved a head of that length in time.
  Result<void> WaitForVersion(std::uint64_t version_min = 1);

  // Of the newest version at the time of the call. Errors as DriveReader, and kDeadlineExceeded
  // when no peer gave a block in time.
  Result<std::optional<DriveEntry>> Entry(std::string_view path) const;
  // The list must not outlive this.
  Result<std::unique_ptr<DriveList>> List(std::string_view folder) const;
  // In pieces of at most one block, in order, each verified. The first piece comes with the first
  // block.
  using Sink = std::function<Result<void>(ByteView)>;
  Result<void> ReadBlob(const BlobId& blob, std::uint64_t offset, std::uint64_t length,
                        const Sink& sink);
  Result<Bytes> ReadFile(std::string_view path, std::uint64_t size_max);

  SparseCore& db() { return *db_; }
  // Fetches block 0 of the db core when the content core is not known yet.
  Result<SparseCore*> content() HNX_EXCLUDES(content_mutex_);

 private:
  class Blocks final : public BeeBlocks {
   public:
    explicit Blocks(SparseCore& core) : core_(core) {}
    Result<Bytes> ReadBlock(std::uint64_t seq) const override {
      return core_.Block(BlockIndex(seq));
    }

   private:
    SparseCore& core_;
  };

  DriveReplica(const ReplicaPlace& place, const DriveKey& key, std::unique_ptr<SparseCore> db,
               std::size_t cache_bytes_max);

  const ReplicaPlace place_;
  const DriveKey key_;
  const std::unique_ptr<SparseCore> db_;
  const Blocks blocks_;
  const BeeStore store_;
  Mutex content_mutex_;
  std::unique_ptr<SparseCore> content_ HNX_GUARDED_BY(content_mutex_);
};

}  // namespace hnx::hyper
