// The files of one core, as the core sees them: on disk (hyper/storage/flat_core_storage.h), in
// memory, or recorded for the crash tests. Offsets and sizes are bytes. Nothing is buffered: a
// write that returned is visible to every reader, and durable after the next Sync of that file.
//
// Threads: one at a time; but while one thread syncs files and writes `oplog` and `header`, another
// may read and write the others (not truncate them). Two storages of the same folder are
// independent.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/file.h"
#include "base/result.h"
#include "hyper/codec/index_types.h"

namespace hnx::hyper {

enum class CoreFile {
  kOplog,
  kTree,
  kBitfield,
  kData,
  kHeader,  // only when a header outgrows its slot in the oplog
};
inline constexpr int kCoreFileCount = 5;
// "oplog", "tree", ...: the name on disk.
std::string_view CoreFileName(CoreFile file);

enum class LockKind { kShared, kExclusive };
enum class LockWait { kFail, kWait };

// A locked range of `data`. The lock ends with the object. It has a file description of its own, so
// that several in one process do not end each other.
class DataLock {
 public:
  DataLock() = default;  // of a storage that nobody shares: locks nothing
  explicit DataLock(UniqueFd fd) : fd_(std::move(fd)) {}

  // `data`, open for reading, for sendfile(2); -1 when the storage has no file.
  int fd() const { return fd_.get(); }
  UniqueFd TakeFd() && { return std::move(fd_); }

 private:
  UniqueFd fd_;
};

class CoreStorage {
 public:
  CoreStorage() = default;
  CoreStorage(const CoreStorage&) = delete;
  CoreStorage& operator=(const CoreStorage&) = delete;
  virtual ~CoreStorage() = default;

  // Where it is, for error messages.
  virtual std::string Name() const = 0;

  // Reads up to out.size() bytes and tells how many there were; a missing file is an empty one.
  virtual Result<std::size_t> Read(CoreFile file, std::uint64_t offset,
                                   std::span<std::byte> out) = 0;
  virtual Result<std::uint64_t> Size(CoreFile file) = 0;

  virtual Result<void> Write(CoreFile file, std::uint64_t offset, ByteView bytes) = 0;
  // Sets the size, cutting off or adding zeros.
  virtual Result<void> Truncate(CoreFile file, std::uint64_t size) = 0;
  // Gives the range back to the file system; it reads as zeros, the size stays.
  virtual Result<void> PunchHole(CoreFile file, std::uint64_t offset, std::uint64_t length) = 0;
  // Makes every earlier write, truncation and hole of that file durable, and the file's name. A
  // failure ends the process: what the kernel then holds is unknown, and a second fsync would lie.
  virtual void Sync(CoreFile file) = 0;

  // Locks a range of `data` against other openings of the same file. kUnavailable: another holds a
  // conflicting lock (LockWait::kFail). An empty range needs no lock.
  virtual Result<DataLock> LockData(LockKind kind, ByteRange range, LockWait wait) = 0;
};

// A range of `data`, behind everything that a core can hold, that whoever writes `tree` or
// `bitfield` holds locked meanwhile: the core's writer when it flushes, and who mends them beside
// it.
inline constexpr ByteRange kFlushLockRange{ByteOffset(std::uint64_t{1} << 62),
                                           ByteOffset((std::uint64_t{1} << 62) + 1)};

// Reads exactly out.size() bytes; kDataLoss naming the file when it ends before.
Result<void> ReadExactly(CoreStorage& storage, CoreFile file, std::uint64_t offset,
                         std::span<std::byte> out);

}  // namespace hnx::hyper
