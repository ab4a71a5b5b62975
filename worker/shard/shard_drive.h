// ShardDrive: a shard's Hyperdrive as the worker uses it: NARs go in one after the other, a commit
// makes them durable together. One thread owns it.
//
// An error of any writing call has aborted the batch: everything since the last commit is gone, and
// the drive is as it was then.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "hyper/drive/corestore.h"
#include "hyper/drive/hyperdrive.h"
#include "worker/pipeline/byte_budget.h"
#include "worker/shard/shard_entry.h"

namespace hnx::worker {

class ShardDrive {
 public:
  static Result<std::unique_ptr<ShardDrive>> Open(const std::filesystem::path& folder);
  ~ShardDrive();
  ShardDrive(const ShardDrive&) = delete;
  ShardDrive& operator=(const ShardDrive&) = delete;
  ShardDrive(ShardDrive&&) = delete;
  ShardDrive& operator=(ShardDrive&&) = delete;

  const hyper::DriveKey& key() const { return drive_->key(); }
  const hyper::DriveKey& content_key() const { return drive_->content_key(); }
  hyper::DriveHead head() const { return drive_->head(); }
  hyper::SignedDriveHead signed_head() const { return drive_->signed_head(); }

  // A whole NAR file.
  Result<void> PutNar(const ShardEntry& entry, std::span<const Chunk> chunks);
  // A NAR file in pieces whose verdict comes behind them: Write any number of times, then FinishNar
  // or AbortNar. The first Write begins it.
  Result<void> Write(std::string_view file, ByteView bytes);
  Result<void> FinishNar(const ShardEntry& entry);
  Result<void> AbortNar();
  bool writing() const { return stream_.has_value(); }

  // Finished and not committed.
  const std::vector<ShardEntry>& staged() const { return staged_; }
  std::uint64_t staged_bytes() const;
  // Durable when it returns; gives what staged() held, with their blobs.
  Result<std::vector<ShardEntry>> Commit();
  // Forgets what was staged and the NAR being written; gives what it forgot.
  std::vector<ShardEntry> Abort();

  // The entries whose content lies at or above this block, in order of their place.
  Result<std::vector<ShardEntry>> EntriesFrom(std::uint64_t content_block) const;
  // Gives the room back, then deletes the entry, and commits. Nothing staged, please. Absent files
  // are no error: what is asked for is that they are gone.
  Result<void> Drop(std::string_view file);
  // Deletes the entries, in one commit; their content stays. Nothing staged, please; absent files
  // are no error.
  Result<void> DeleteEntries(std::span<const std::string> files);
  // Gives the room of a blob back that no entry names. kUnavailable: a reader is sending it.
  Result<void> Clear(const hyper::BlobId& blob);
  Result<hyper::DriveHead> CutTail(const hyper::DriveHead& to);

 private:
  ShardDrive(std::unique_ptr<hyper::Corestore> store, std::unique_ptr<hyper::Hyperdrive> drive);
  Result<void> OpenStream(std::string_view file, std::string metadata_json);
  void Staged(const ShardEntry& entry, const hyper::BlobId& blob);
  // Drops the batch behind an error.
  Error Failed(Error error);

  // In this order: each one lives in the one before.
  std::unique_ptr<hyper::Corestore> store_;
  std::unique_ptr<hyper::Hyperdrive> drive_;
  std::unique_ptr<hyper::DriveBatch> batch_;
  std::optional<hyper::DriveWriteStream> stream_;
  std::vector<ShardEntry> staged_;
};

}  // namespace hnx::worker
