#include "corestore7/rocks_store.h"

#include <string>
#include <utility>

#include <fmt/core.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include "base/crash_point.h"
#include "corestore7/store_folder.h"

namespace hnx::corestore7 {

namespace {

namespace fs = std::filesystem;

constexpr const char* kColumnFamily = "corestore";
constexpr int kOpenFilesMax = 512;
constexpr std::uint64_t kBytesPerSync = std::uint64_t{1} << 20;
constexpr int kBackgroundJobsMax = 2;

rocksdb::Slice SliceOf(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

rocksdb::ColumnFamilyOptions FamilyOptions() {
  // Those that matter to whoever opens the store: RocksDB 10 inside rocksdb-native is built without
  // Snappy, which is the default here; and 5 is the newest table format that 7.8 writes.
  constexpr std::uint32_t kTableFormat = 5;
  constexpr std::size_t kTableBlockBytes = 8192;
  constexpr double kFilterBitsPerKey = 10;
  rocksdb::BlockBasedTableOptions table;
  table.format_version = kTableFormat;
  table.block_size = kTableBlockBytes;
  table.cache_index_and_filter_blocks = true;
  table.block_cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kFilterBitsPerKey));
  rocksdb::ColumnFamilyOptions options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.compression = rocksdb::kNoCompression;
  options.bottommost_compression = rocksdb::kNoCompression;
  options.blob_compression_type = rocksdb::kNoCompression;
  options.write_buffer_size = kWriteBufferBytes;
  options.max_write_buffer_number = 2;
  options.enable_blob_files = true;
  options.min_blob_size = kBlobValueBytesMin;
  options.blob_file_size = kBlobFileBytes;
  // An export only adds: there is nothing to collect.
  options.enable_blob_garbage_collection = false;
  return options;
}

rocksdb::DBOptions DatabaseOptions() {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.max_background_jobs = kBackgroundJobsMax;
  options.max_open_files = kOpenFilesMax;
  options.bytes_per_sync = kBytesPerSync;
  options.keep_log_file_num = 1;
  options.info_log_level = rocksdb::WARN_LEVEL;
  return options;
}

Error FromStatus(const rocksdb::Status& status, const std::string& what) {
  const std::string text = what + ": " + status.ToString();
  if (status.IsCorruption()) {
    return DataLoss(text);
  }
  if (status.IsNoSpace()) {
    return ResourceExhausted(text);
  }
  return Internal(text);
}

Error FromOpening(const rocksdb::Status& status, const fs::path& folder) {
  const std::string text = status.ToString();
  if (status.IsIOError() && text.find("lock") != std::string::npos) {
    return Unavailable(fmt::format("open store {}: another process has it open; stop it first ({})",
                                   folder.string(), text));
  }
  // RocksDB refuses tables newer than itself as corrupt.
  if (text.find("format_version") != std::string::npos) {
    return FailedPrecondition(fmt::format(
        "open store {}: JavaScript has written to it with a newer RocksDB than this program's, so "
        "nothing can be added to it; export into a new folder ({})",
        folder.string(), text));
  }
  return FromStatus(status, "open store " + folder.string());
}

}  // namespace

struct RocksStore::Database {
  Database() = default;
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  Database(Database&&) = delete;
  Database& operator=(Database&&) = delete;
  ~Database() {
    for (rocksdb::ColumnFamilyHandle* const family : families) {
      (void)db->DestroyColumnFamilyHandle(family);
    }
  }

  rocksdb::ColumnFamilyHandle* corestore() const { return families.back(); }

  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> families;  // default, corestore
};

RocksStore::RocksStore(fs::path folder, const hyper::DriveKey& owner,
                       std::unique_ptr<Database> database)
    : folder_(std::move(folder)), owner_(owner), database_(std::move(database)) {}
RocksStore::~RocksStore() = default;

Result<std::unique_ptr<RocksStore>> RocksStore::OpenOrCreate(fs::path folder,
                                                             const hyper::DriveKey& owner) {
  HNX_TRY(ClaimStoreFolder(folder, owner));
  auto database = std::make_unique<Database>();
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened = rocksdb::DB::Open(
      DatabaseOptions(), DatabaseFolder(folder).string(),
      {{rocksdb::kDefaultColumnFamilyName, FamilyOptions()}, {kColumnFamily, FamilyOptions()}},
      &database->families, &db);
  if (!opened.ok()) {
    return FromOpening(opened, folder);
  }
  database->db.reset(db);
  return std::unique_ptr<RocksStore>(new RocksStore(std::move(folder), owner, std::move(database)));
}

Result<std::optional<Bytes>> RocksStore::Get(ByteView key) {
  rocksdb::PinnableSlice value;
  const rocksdb::Status status =
      database_->db->Get(rocksdb::ReadOptions(), database_->corestore(), SliceOf(key), &value);
  if (status.IsNotFound()) {
    return std::optional<Bytes>();
  }
  if (!status.ok()) {
    return FromStatus(status, "read store " + folder_.string());
  }
  return std::optional(ToBytes(std::string_view(value.data(), value.size())));
}

Result<void> RocksStore::Write(const std::vector<StoreRecord>& batch) {
  rocksdb::WriteBatch writes;
  for (const StoreRecord& record : batch) {
    const rocksdb::Status put =
        writes.Put(database_->corestore(), SliceOf(record.key), SliceOf(record.value));
    if (!put.ok()) {
      return FromStatus(put, "write store " + folder_.string());
    }
  }
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  const rocksdb::Status written = database_->db->Write(options, &writes);
  if (!written.ok()) {
    return FromStatus(written, "write store " + folder_.string());
  }
  CrashPoint("export.after_batch");
  return {};
}

Result<void> RocksStore::Flush() {
  CrashPoint("export.before_flush");
  const rocksdb::Status flushed =
      database_->db->Flush(rocksdb::FlushOptions(), database_->corestore());
  if (!flushed.ok()) {
    return FromStatus(flushed, "write store " + folder_.string() + " to disk");
  }
  return {};
}

}  // namespace hnx::corestore7
