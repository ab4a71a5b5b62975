// Hyperdrive: a file system in two Hypercores, a Hyperbee of entries ("db") and the content they
// point to. This is the writer; DriveReader is the view for everybody else.
//
// Durability (docs/formats/hyperdrive.md): Commit makes the data of both cores durable, then the
// content's oplog entry, then the db's. What Commit returned survives a power cut; a crash in
// between leaves at most content that no entry names. Nobody may be told of a version before Commit
// returned it (and, with several hosts, before the coordinator accepted it).
//
// Determinism: the blocks of both cores are a pure function of (state before, operations in order).
//
// Threads: one thread owns a Hyperdrive, its batch and its streams.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/core/core_head.h"
#include "hyper/core/core_storage.h"
#include "hyper/core/crypto.h"
#include "hyper/drive/corestore.h"
#include "hyper/drive/drive_entry.h"
#include "hyper/drive/drive_key.h"
#include "hyper/drive/drive_reader.h"

namespace hnx::hyper {

// One version of a drive, as it is announced and compared-and-set.
struct DriveHead {
  std::uint64_t db_length = 0;
  std::uint64_t db_byte_length = 0;
  Hash db_tree_hash;
  std::uint64_t content_length = 0;
  std::uint64_t content_byte_length = 0;
  Hash content_tree_hash;

  bool operator==(const DriveHead&) const = default;
};

// The same with the owner's signatures: what peers are told.
struct SignedDriveHead {
  CoreHead db;
  CoreHead content;

  bool operator==(const SignedDriveHead&) const = default;
};

// One batch holds its changed entries in memory: operations and bytes of keys and values.
inline constexpr std::size_t kDriveBatchOperationsMax = 16'384;
inline constexpr std::size_t kDriveBatchEntryBytesMax = std::size_t{64} << 20;

struct PutOptions {
  bool executable = false;
  std::string metadata_json = "null";
};

class DriveBatch;

// Takes a file in pieces; its bytes go to the uncommitted tail of the content core as they come.
// Must end with Finish or Abort (the destructor aborts); nothing else may be staged meanwhile.
class DriveWriteStream {
 public:
  DriveWriteStream(DriveWriteStream&& other) noexcept;
  DriveWriteStream& operator=(DriveWriteStream&&) = delete;
  DriveWriteStream(const DriveWriteStream&) = delete;
  DriveWriteStream& operator=(const DriveWriteStream&) = delete;
  ~DriveWriteStream();

  Result<void> Write(ByteView bytes);
  // The file becomes part of the batch. The blob's place is final once the batch is committed.
  Result<BlobId> Finish();
  // Cuts the staged bytes off again: nothing of them remains.
  Result<void> Abort();
  std::uint64_t bytes_written() const;

 private:
  friend class DriveBatch;
  DriveWriteStream(DriveBatch* batch, std::string path, PutOptions options);
  DriveBatch* batch_;  // null once ended; must outlive the stream
  std::string path_;
  PutOptions options_;
};

class Hyperdrive;

// Group commit: any number of files, links and deletions that become visible together. One batch at
// a time per drive; it must not outlive the drive. Dropping it uncommitted aborts it.
class DriveBatch {
 public:
  ~DriveBatch();
  DriveBatch(const DriveBatch&) = delete;
  DriveBatch& operator=(const DriveBatch&) = delete;

  // kResourceExhausted: a limit above was reached; commit and begin another batch.
  Result<BlobId> Put(std::string_view path, ByteView content, PutOptions options = {});
  Result<DriveWriteStream> OpenWrite(std::string_view path, PutOptions options = {});
  // `linkname` is stored as given.
  Result<void> Symlink(std::string_view path, std::string_view linkname,
                       std::string metadata_json = "null");
  // An entry with a given blob (the caller knows that it lies in this drive's content).
  Result<void> PutEntry(const DriveEntry& entry);
  // A path that does not exist is no operation.
  Result<void> Del(std::string_view path);

  std::size_t operations() const;
  std::uint64_t staged_content_bytes() const;

  // Durable when it returns. An empty batch returns the present head. After an error the batch is
  // over and no entry of it is there (its content may be, without a name).
  Result<DriveHead> Commit();
  Result<void> Abort();

 private:
  friend class Hyperdrive;
  friend class DriveWriteStream;
  class Impl;
  explicit DriveBatch(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class Hyperdrive {
 public:
  // Makes the drive of this store (its core "db" and the content core derived from it) when it is
  // not there yet, and opens it. The store must outlive the drive.
  static Result<std::unique_ptr<Hyperdrive>> OpenOrCreate(Corestore& store);
  // kNotFound: the store has no drive.
  static Result<std::unique_ptr<Hyperdrive>> Open(Corestore& store);
  // Makes a copy of this store's own drive that was filled from peers, with gaps or without, its
  // drive again: its cores get their secret keys. Idempotent; to be opened afterwards. Entries that
  // a batch touches must be there (all that the newest version reaches), content need not. Errors
  // as Hypercore::TakeOver; kNotFound: no drive there.
  static Result<void> TakeOver(Corestore& store);
  ~Hyperdrive();
  Hyperdrive(const Hyperdrive&) = delete;
  Hyperdrive& operator=(const Hyperdrive&) = delete;
  Hyperdrive(Hyperdrive&&) = delete;
  Hyperdrive& operator=(Hyperdrive&&) = delete;

  // The key of the drive that a store with this primary key has or would have.
  static DriveKey KeyFor(const PrimaryKey& primary_key);

  const DriveKey& key() const;
  const DriveKey& content_key() const;
  // The last committed version.
  DriveHead head() const;
  SignedDriveHead signed_head() const;
  // Whether this drive had these lengths and tree hashes once, or has them now. None: a node that
  // tells is not here (of a drive that was taken over with gaps).
  Result<std::optional<bool>> GrewOutOf(const DriveHead& earlier) const;

  // kFailedPrecondition: a batch is open already.
  Result<std::unique_ptr<DriveBatch>> BeginBatch();

  // Batches of one.
  Result<DriveHead> Put(std::string_view path, ByteView content, PutOptions options = {});
  Result<DriveHead> Symlink(std::string_view path, std::string_view linkname,
                            std::string metadata_json = "null");
  Result<DriveHead> Del(std::string_view path);

  // Reading one's own committed state; as in DriveReader.
  Result<std::optional<DriveEntry>> Entry(std::string_view path) const;
  Result<std::unique_ptr<DriveList>> List(std::string_view folder) const;
  Result<Bytes> Get(std::string_view path, std::uint64_t size_max) const;

  // Gives the blob's room back: its blocks leave the bitfield, the bytes are punched out of `data`.
  // The entry stays, unless deleted before. kUnavailable (with LockWait::kFail): a reader is
  // sending it; nothing has changed, try again later.
  Result<void> Clear(const BlobId& blob, LockWait wait = LockWait::kFail);

  // For a writer that lost the compare-and-set: cuts both cores back to lengths that were announced
  // (both at most the present ones; otherwise kFailedPrecondition). Only for a tail that nobody
  // saw.
  Result<DriveHead> CutUnannouncedTail(std::uint64_t db_length, std::uint64_t content_length);

 private:
  class Impl;
  explicit Hyperdrive(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hnx::hyper
