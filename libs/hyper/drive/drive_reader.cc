#include "hyper/drive/drive_reader.h"

#include <algorithm>
#include <system_error>

#include <fmt/core.h>

#include "base/mutex.h"
#include "hyper/bee/bee_snapshot.h"
#include "hyper/blobs/hyperblobs.h"
#include "hyper/core/keys.h"
#include "hyper/drive/content_core.h"
#include "hyper/drive/core_reader_pool.h"
#include "hyper/drive/drive_path.h"
#include "hyper/drive/entry_list.h"
#include "hyper/drive/find_drive.h"
#include "hyper/drive/hyperdrive.h"
#include "hyper/drive/lock_blob.h"
#include "hyper/storage/flat_core_storage.h"

namespace hnx::hyper {

namespace {

class PooledBlocks : public BeeBlocks {
 public:
  explicit PooledBlocks(CoreReaderPool& pool) : pool_(pool) {}
  Result<Bytes> ReadBlock(std::uint64_t seq) const override {
    HNX_ASSIGN_OR_RETURN(const auto reader, pool_.Borrow(seq + 1));
    return reader->Get(BlockIndex(seq));
  }

 private:
  CoreReaderPool& pool_;
};

struct Version {
  std::uint64_t db_length = 0;
  std::uint64_t content_length = 0;
  std::uint64_t content_byte_length = 0;

  bool operator==(const Version&) const = default;
};

Result<void> AuditOne(const char* name, CoreReaderPool& pool, const AuditProgress& progress,
                      DriveAudit& audit) {
  HNX_ASSIGN_OR_RETURN(const auto reader, pool.Borrow(0));
  HNX_ASSIGN_OR_RETURN(const AuditReport report, reader->Audit(progress));
  for (const AuditFinding& finding : report.findings) {
    audit.findings.push_back(
        fmt::format("{} core ({}): {}", name, reader->name(), finding.ToString()));
  }
  if (report.findings_total > report.findings.size()) {
    audit.findings.push_back(fmt::format("{} core ({}): {} more findings", name, reader->name(),
                                         report.findings_total - report.findings.size()));
  }
  audit.blocks_checked += report.blocks_checked;
  audit.bytes_checked += report.bytes_checked;
  audit.blocks_cleared += report.blocks_absent;
  return {};
}

}  // namespace

class DriveReader::Impl {
 public:
  Impl(std::filesystem::path folder, const CoreKey& db_key, const CoreKey& content_key,
       std::size_t cache_bytes_max)
      : folder_(std::move(folder)),
        key_(db_key.bytes),
        content_key_(content_key.bytes),
        db_(CoreFolder(folder_, DiscoveryKeyOf(db_key))),
        content_(CoreFolder(folder_, DiscoveryKeyOf(content_key))),
        blocks_(db_),
        store_(blocks_, cache_bytes_max) {}

  Result<bool> Refresh();
  Version version() const {
    const MutexLock lock(mutex_);
    return version_;
  }
  BeeSnapshot snapshot() const { return {store_, version().db_length}; }

  const std::filesystem::path folder_;
  const DriveKey key_;
  const DriveKey content_key_;
  mutable CoreReaderPool db_;
  mutable CoreReaderPool content_;
  PooledBlocks blocks_;
  BeeStore store_;

 private:
  mutable Mutex mutex_;
  Version version_ HNX_GUARDED_BY(mutex_);
  std::uint64_t tickets_ HNX_GUARDED_BY(mutex_) = 0;  // of refreshes begun
  std::uint64_t applied_ HNX_GUARDED_BY(mutex_) = 0;  // that of version_
};

Result<bool> DriveReader::Impl::Refresh() {
  std::uint64_t ticket = 0;
  {
    const MutexLock lock(mutex_);
    ticket = ++tickets_;
  }
  // The db first: the content that its entries name was committed before them.
  Version next;
  {
    HNX_ASSIGN_OR_RETURN(const auto db, db_.Borrow(0));
    HNX_TRY(db->Refresh());
    next.db_length = db->length();
  }
  const auto content = content_.Borrow(0);
  if (content) {
    HNX_TRY((*content)->Refresh());
    next.content_length = (*content)->length();
    next.content_byte_length = (*content)->byte_length();
  } else if (content.error().code != ErrorCode::kNotFound) {
    return content.error();
  }
  Version previous;
  {
    const MutexLock lock(mutex_);
    if (ticket < applied_) {
      return false;  // another thread looked later and was done sooner
    }
    applied_ = ticket;
    previous = version_;
    version_ = next;
  }
  if (previous.db_length != next.db_length && previous.db_length != 0) {
    // The writer may have cut an unannounced batch off and appended another one since.
    const std::uint64_t stable = std::min(previous.db_length, next.db_length);
    store_.ForgetFrom(stable - std::min<std::uint64_t>(stable, kDriveBatchOperationsMax));
  }
  return previous != next;
}

DriveReader::DriveReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DriveReader::~DriveReader() = default;

Result<std::unique_ptr<DriveReader>> DriveReader::Open(DriveReaderOptions options) {
  CoreKey db_key;
  if (options.key) {
    db_key.bytes = options.key->bytes();
  } else {
    HNX_ASSIGN_OR_RETURN(db_key, FindDriveIn(options.folder));
  }
  const std::string object =
      "open drive " + DriveKey(db_key.bytes).id() + " in " + options.folder.string();
  auto storage = FlatCoreStorage::OpenReadOnly(CoreFolder(options.folder, DiscoveryKeyOf(db_key)));
  if (!storage) {
    return storage.error().Annotate(object);
  }
  auto db = CoreReader::Open(*std::move(storage));
  if (!db) {
    return db.error().Annotate(object);
  }
  if ((*db)->key() != db_key) {
    return DataLoss(object + ": the core in its place has the key " + (*db)->key().ToHex());
  }
  std::optional<Bytes> header;
  if ((*db)->length() > 0) {
    auto block = (*db)->Get(BlockIndex(0));
    if (!block) {
      return block.error().Annotate(object + ": read the Hyperbee header");
    }
    header = *std::move(block);
  }
  const auto content_key = ContentKeyOf(header, (*db)->manifest(), db_key);
  if (!content_key) {
    return content_key.error().Annotate(object);
  }
  auto impl = std::make_unique<Impl>(std::move(options.folder), db_key, *content_key,
                                     options.cache_bytes_max);
  if (const auto refreshed = impl->Refresh(); !refreshed) {
    return refreshed.error().Annotate(object);
  }
  return std::unique_ptr<DriveReader>(new DriveReader(std::move(impl)));
}

Result<bool> DriveReader::Refresh() {
  auto changed = impl_->Refresh();
  if (!changed) {
    return changed.error().Annotate("refresh drive " + impl_->key_.id());
  }
  return changed;
}

const DriveKey& DriveReader::key() const {
  return impl_->key_;
}
const DriveKey& DriveReader::content_key() const {
  return impl_->content_key_;
}
const std::filesystem::path& DriveReader::folder() const {
  return impl_->folder_;
}
std::uint64_t DriveReader::version() const {
  return impl_->version().db_length;
}
std::uint64_t DriveReader::content_length() const {
  return impl_->version().content_length;
}
std::uint64_t DriveReader::content_byte_length() const {
  return impl_->version().content_byte_length;
}

Result<std::optional<DriveEntry>> DriveReader::Entry(std::string_view path) const {
  return FindDriveEntry(impl_->snapshot(), path);
}

Result<std::unique_ptr<DriveList>> DriveReader::List(std::string_view folder) const {
  return ListDriveEntries(impl_->snapshot(), folder);
}

Result<BlobExtent> DriveReader::Locate(const BlobId& blob) const {
  const Version version = impl_->version();
  HNX_TRY(CheckBlobBounds(blob, version.content_length, version.content_byte_length));
  HNX_ASSIGN_OR_RETURN(const auto content,
                       impl_->content_.Borrow(blob.block_offset + blob.block_length));
  return LockBlob(*content, blob);
}

Result<void> DriveReader::ReadBlob(const BlobId& blob, std::uint64_t offset, std::uint64_t length,
                                   const Sink& sink) const {
  if (blob.byte_length == 0 && length == 0) {
    return {};
  }
  HNX_ASSIGN_OR_RETURN(const auto content,
                       impl_->content_.Borrow(blob.block_offset + blob.block_length));
  return hyper::ReadBlob(*content, blob, offset, length, sink);
}

Result<DriveAudit> DriveReader::Audit(const AuditProgress& progress) const {
  DriveAudit audit;
  HNX_TRY(AuditOne("db", impl_->db_, progress, audit));
  auto content = AuditOne("content", impl_->content_, progress, audit);
  if (!content && !(content.error().code == ErrorCode::kNotFound && content_length() == 0)) {
    return content.error();
  }
  return audit;
}

}  // namespace hnx::hyper
