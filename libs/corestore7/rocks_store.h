// RocksStore: a store of corestore 7 that this program made, as a folder and as RocksDB's batches
// (docs/formats/corestore-7.md). The one place that knows of RocksDB.
//
//   DIR/db/                    the database; column families default (empty) and corestore
//   DIR/db/exported-by-hyp     "hyper://<key>\n": the drive that the store was made for
//   DIR/CORESTORE              JavaScript's, made when it opens the store for writing
//
// A folder that holds anything else is refused and not touched. There is no write-ahead log: after
// a crash the database holds the batches up to some one, in their order, and none behind it. Flush
// makes all of them durable.
//
// Memory: two write buffers of kWriteBufferBytes, kBlockCacheBytes, one batch.
//
// Threads: one at a time. One process at a time: the folder's lock is RocksDB's, which JavaScript
// takes too when it opens the store for writing.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/drive/drive_key.h"

namespace hnx::corestore7 {

inline constexpr std::size_t kWriteBufferBytes = std::size_t{64} << 20;
inline constexpr std::size_t kBlockCacheBytes = std::size_t{16} << 20;
// Values from this size on are kept in blob files.
inline constexpr std::size_t kBlobValueBytesMin = 4096;
inline constexpr std::size_t kBlobFileBytes = std::size_t{256} << 20;

struct StoreRecord {
  Bytes key;
  Bytes value;
};

class RocksStore {
 public:
  // The store in `folder`, made when the folder is missing or empty. kFailedPrecondition: the
  // folder holds something else, the export of another drive, or a store to which JavaScript has
  // written with its newer RocksDB. kUnavailable: another process has it open.
  static Result<std::unique_ptr<RocksStore>> OpenOrCreate(std::filesystem::path folder,
                                                          const hyper::DriveKey& owner);
  ~RocksStore();
  RocksStore(const RocksStore&) = delete;
  RocksStore& operator=(const RocksStore&) = delete;

  const std::filesystem::path& folder() const { return folder_; }
  // The drive that the store was made for.
  const hyper::DriveKey& owner() const { return owner_; }

  // None: no such record.
  Result<std::optional<Bytes>> Get(ByteView key);
  // All or none of them, now and after a crash.
  Result<void> Write(const std::vector<StoreRecord>& batch);
  // Returns when everything written is durable.
  Result<void> Flush();

 private:
  struct Database;
  RocksStore(std::filesystem::path folder, const hyper::DriveKey& owner,
             std::unique_ptr<Database> database);

  const std::filesystem::path folder_;
  const hyper::DriveKey owner_;
  const std::unique_ptr<Database> database_;
};

}  // namespace hnx::corestore7
