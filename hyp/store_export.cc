#include "hyp/store_export.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "hyp/findings.h"
#include "hyper/core/keys.h"
#include "hyper/storage/flat_core_storage.h"
#include "mirror/index_layout.h"
#include "mirror/mirror_json.h"

namespace hnx::hyp {

namespace {

namespace fs = std::filesystem;

// Files that one finding names.
constexpr std::size_t kFilesNamedMax = 5;
// Of decoded entries: an export reads few.
constexpr std::size_t kSourceCacheBytesMax = std::size_t{1} << 20;

Result<std::unique_ptr<hyper::CoreReader>> OpenCore(const fs::path& folder,
                                                    const hyper::DriveKey& key) {
  const fs::path core =
      hyper::CoreFolder(folder, hyper::DiscoveryKeyOf(hyper::CoreKey{key.bytes()}));
  HNX_ASSIGN_OR_RETURN(auto storage, hyper::FlatCoreStorage::OpenReadOnly(core));
  HNX_ASSIGN_OR_RETURN(auto reader, hyper::CoreReader::Open(std::move(storage)));
  if (reader->secret_key_here()) {
    HNX_ASSIGN_OR_RETURN(const bool written, hyper::FlatCoreStorage::HasWriter(core));
    if (written) {
      return FailedPrecondition(
          "a process is writing it now, and may still cut off what it told nobody of; stop that "
          "process, or export a copy of the drive (hyp import)");
    }
  }
  return reader;
}

}  // namespace

Result<StoreExport::Source> StoreExport::Open(const hyper::DriveKey& key, bool is_shard) const {
  Source source{key, is_shard, nullptr, nullptr, nullptr};
  HNX_ASSIGN_OR_RETURN(const fs::path folder, options_.folders.Find(key));
  const auto what = [&key](const Error& error) { return error.Annotate("drive " + key.id()); };
  HNX_ASSIGN_OR_RETURN(source.drive, hyper::DriveReader::Open({folder, key, kSourceCacheBytesMax}));
  // The entries first: the content that they name was committed before them.
  auto db = OpenCore(folder, key);
  if (!db) {
    return what(db.error());
  }
  source.db = *std::move(db);
  auto content = OpenCore(folder, source.drive->content_key());
  if (content) {
    source.content = *std::move(content);
  } else if (content.error().code != ErrorCode::kNotFound) {
    return what(content.error());
  }
  return source;
}

Result<std::vector<hyper::DriveKey>> StoreExport::Shards(const Source& index) {
  std::vector<hyper::DriveKey> shards;
  const auto entry = index.drive->Entry(mirror::kMirrorJsonPath);
  if (entry && !*entry) {
    return shards;  // no mirror
  }
  const auto text =
      entry ? index.drive->ReadFile(mirror::kMirrorJsonPath, mirror::kMirrorJsonBytesMax)
            : Result<Bytes>(entry.error());
  if (!text && text.error().code == ErrorCode::kNotFound) {
    report_.shards_unknown = true;
    return shards;
  }
  if (!text) {
    return text.error();
  }
  HNX_ASSIGN_OR_RETURN(const auto json, mirror::MirrorJson::Parse(AsText(*text)));
  for (const mirror::MirrorShard& shard : json.shards) {
    if (options_.folders.Find(shard.key)) {
      shards.push_back(shard.key);
    } else {
      report_.missing_shards.push_back(shard.key.id());
    }
  }
  return shards;
}

Result<void> StoreExport::Check(Source& source) {
  HNX_TRY(corestore7::CheckExportable(*source.db, *store_));
  if (source.content != nullptr) {
    HNX_TRY(corestore7::CheckExportable(*source.content, *store_));
  }
  return {};
}

std::string StoreExport::FilesIn(const hyper::DriveReader& drive, hyper::BlockRange blocks) {
  const auto list = drive.List("/");
  std::string names;
  std::size_t count = 0;
  while (list) {
    const auto entry = (*list)->Next();
    if (!entry || !*entry) {
      break;  // the finding stands without names
    }
    const auto& blob = (*entry)->blob;
    if (!blob || blob->block_offset >= blocks.end.value() ||
        blob->block_offset + blob->block_length <= blocks.begin.value()) {
      continue;
    }
    if (++count > kFilesNamedMax) {
      return names + ", ...";
    }
    names += (names.empty() ? "" : ", ") + (*entry)->path;
  }
  return names;
}

Result<void> StoreExport::ExportOne(const Source& source, const char* name, hyper::CoreReader& core,
                                    ExportedDrive& exported) {
  HNX_ASSIGN_OR_RETURN(const corestore7::CoreExportReport report,
                       corestore7::ExportCore(core, *store_, [&](std::uint64_t bytes) {
                         bytes_ += bytes;
                         return progress_(source.key, bytes_);
                       }));
  exported.blocks += report.length;
  exported.blocks_written += report.blocks_written;
  exported.bytes_written += report.bytes_written;
  exported.blocks_not_here += report.blocks_not_here;
  report_.findings_total += report.findings_total;
  for (const corestore7::ExportFinding& finding : report.findings) {
    if (report_.findings.size() == kFindingsMax) {
      break;
    }
    const std::string files =
        &core == source.content.get() ? FilesIn(*source.drive, finding.blocks) : std::string();
    report_.findings.push_back(fmt::format("drive {}: {} core ({}): {}{}", source.key.id(), name,
                                           core.name(), finding.message,
                                           files.empty() ? files : "; part of " + files));
  }
  return {};
}

Result<void> StoreExport::Export(Source& source) {
  ExportedDrive exported{.key = source.key, .is_shard = source.is_shard};
  exported.version = source.db->length();
  if (source.content != nullptr) {
    HNX_TRY(ExportOne(source, "content", *source.content, exported));
  }
  HNX_TRY(ExportOne(source, "db", *source.db, exported));
  report_.drives.push_back(exported);
  return {};
}

Result<StoreExportReport> StoreExport::Run() {
  // The index first: the shards that are opened later hold what it links to.
  HNX_ASSIGN_OR_RETURN(Source index, Open(options_.key, false));
  std::vector<hyper::DriveKey> shards;
  if (options_.with_shards) {
    HNX_ASSIGN_OR_RETURN(shards, Shards(index));
  }
  for (const hyper::DriveKey& shard : shards) {
    HNX_TRY(Open(shard, true));
  }
  HNX_ASSIGN_OR_RETURN(store_, corestore7::RocksStore::OpenOrCreate(options_.store, options_.key));
  HNX_TRY(Check(index));
  for (const hyper::DriveKey& shard : shards) {
    HNX_ASSIGN_OR_RETURN(Source source, Open(shard, true));
    HNX_TRY(Check(source));
  }
  Result<void> exported;
  for (const hyper::DriveKey& shard : shards) {
    auto source = Open(shard, true);
    exported = source ? Export(*source) : source.error();
    if (!exported) {
      break;
    }
  }
  if (exported) {
    exported = Export(index);
  }
  // What was written before a stop is kept, too.
  const auto flushed = store_->Flush();
  HNX_TRY(exported);
  HNX_TRY(flushed);
  return std::move(report_);
}

}  // namespace hnx::hyp
