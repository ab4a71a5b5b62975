// StoreExport: a drive, or a mirror with its shards, from folders of this machine into one store
// that corestore 7 opens. Content is written before entries and shards before the index, so that
// whoever opens the store of an export that was killed finds what the entries there lead to, or
// asks peers.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "corestore7/core_export.h"
#include "corestore7/rocks_store.h"
#include "hyp/drive_folders.h"
#include "hyper/core/core_reader.h"
#include "hyper/drive/drive_key.h"
#include "hyper/drive/drive_reader.h"

namespace hnx::hyp {

struct ExportedDrive {
  hyper::DriveKey key;
  bool is_shard = false;
  std::uint64_t version = 0;
  // Of both cores.
  std::uint64_t blocks = 0;
  std::uint64_t blocks_written = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t blocks_not_here = 0;
};

struct StoreExportReport {
  std::vector<ExportedDrive> drives;
  // What was damaged and is not in the store: drive, files of it, core, place.
  std::vector<std::string> findings;
  std::uint64_t findings_total = 0;
  std::vector<std::string> missing_shards;  // ids
  // The copy is too sparse to tell which shards there are.
  bool shards_unknown = false;
};

class StoreExport {
 public:
  struct Options {
    DriveFolders folders;
    hyper::DriveKey key;
    std::filesystem::path store;
    bool with_shards = true;
  };
  // Called after each block with the bytes written so far; false ends the export with kCancelled.
  using Progress = std::function<bool(const hyper::DriveKey& drive, std::uint64_t bytes)>;

  StoreExport(Options options, Progress progress)
      : options_(std::move(options)), progress_(std::move(progress)) {}

  // Returns when all is durable. kNotFound: the drive is not in the folders. kFailedPrecondition,
  // kUnavailable: see RocksStore and CheckExportable; a process is writing the drive, and might cut
  // off what nobody was told of. Nothing was exported then. The same call again goes on where one
  // that failed or was killed has stopped.
  Result<StoreExportReport> Run();

 private:
  // A drive in its folder, its cores at their heads.
  struct Source {
    hyper::DriveKey key;
    bool is_shard = false;
    std::unique_ptr<hyper::DriveReader> drive;
    std::unique_ptr<hyper::CoreReader> db;
    std::unique_ptr<hyper::CoreReader> content;  // none: nothing was ever put
  };

  Result<Source> Open(const hyper::DriveKey& key, bool is_shard) const;
  // Of /mirror.json; those in no folder are noted.
  Result<std::vector<hyper::DriveKey>> Shards(const Source& index);
  Result<void> Check(Source& source);
  Result<void> Export(Source& source);
  Result<void> ExportOne(const Source& source, const char* name, hyper::CoreReader& core,
                         ExportedDrive& exported);
  // The files whose bytes are in those blocks, for a message.
  static std::string FilesIn(const hyper::DriveReader& drive, hyper::BlockRange blocks);

  const Options options_;
  const Progress progress_;
  std::unique_ptr<corestore7::RocksStore> store_;
  std::uint64_t bytes_ = 0;
  StoreExportReport report_;
};

}  // namespace hnx::hyp
