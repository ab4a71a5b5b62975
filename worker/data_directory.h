// The worker's data directory:
//
//   worker-id            16 random bytes in hex, made once
//   incarnation          decimal, counted up and synced at each start
//   lock                 held while a worker runs; a second one is refused
//   index-drive          id of the index drive, when this worker ever had the role
//   index-accepted       lengths of the index drive's cores that the coordinator has accepted, or
//                        that a holder had: no cut goes below them
//   index-recovery/      a copy of the index drive that is being fetched from its holders
//   drives/<id>/         one Hyperdrive store each (primary-key, cores/), id in z-base-32
//   scrub                where the scrubs of the drives stand (worker/scrub/scrub_state.h)
//   scrub-scratch/       blocks that are being had from peers for a repair
//   copies/<id>/         the same of other workers' shards, only read (worker/copies)
//   lost-shards/<id>/    the same of shards that were lost, for a moment (worker/lost)
//
// A drive is made in drives/.new-<random> and renamed once its key is known; what a crash left
// there is removed at the next start. Threads: any, one at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "hyper/drive/corestore.h"
#include "hyper/drive/drive_key.h"

namespace hnx::worker {

class DataDirectory {
 public:
  // Makes what is missing, takes the lock, counts the incarnation up. kFailedPrecondition: another
  // worker runs on this directory.
  static Result<std::unique_ptr<DataDirectory>> Open(const std::filesystem::path& root);

  const std::filesystem::path& root() const { return root_; }
  const std::string& worker_id() const { return worker_id_; }
  std::uint64_t incarnation() const { return incarnation_; }
  // Random, of this process alone.
  std::uint64_t nonce() const { return nonce_; }

  // kDataLoss: it was deleted, replaced or unmounted under this process.
  Result<void> CheckThere() const;

  std::filesystem::path DriveFolder(const hyper::DriveKey& key) const;
  // Sorted by id.
  Result<std::vector<hyper::DriveKey>> ListDrives() const;
  // Makes the store of a new drive with a random primary key, or with the given one.
  Result<hyper::DriveKey> CreateDrive(const std::optional<hyper::PrimaryKey>& primary_key = {});

  Result<std::optional<hyper::DriveKey>> IndexDrive() const;
  Result<void> SetIndexDrive(const hyper::DriveKey& key);

  std::filesystem::path CopiesFolder() const { return root_ / "copies"; }
  std::filesystem::path LostShardsFolder() const { return root_ / "lost-shards"; }

  // Where a copy of the index is gathered before it becomes the drive.
  std::filesystem::path RecoveryFolder() const { return root_ / "index-recovery"; }
  // The recovery folder becomes the drive's folder, in place of the one that is there. Durable when
  // it returns; a crash leaves one of the two.
  Result<void> PutRecoveredDrive(const hyper::DriveKey& key);

  struct IndexLengths {
    std::uint64_t db = 0;
    std::uint64_t content = 0;
  };
  // Zero when none was accepted so far.
  Result<IndexLengths> AcceptedIndex() const;
  Result<void> SetAcceptedIndex(IndexLengths lengths);

 private:
  DataDirectory(std::filesystem::path root, UniqueFd lock);

  std::filesystem::path root_;
  UniqueFd lock_;
  UniqueFd drives_;  // the folder, to know it again
  std::string worker_id_;
  std::uint64_t incarnation_ = 0;
  std::uint64_t nonce_ = 0;
};

// From the operating system's generator.
Result<Bytes> RandomBytes(std::size_t count);

}  // namespace hnx::worker
