#include "hyper/replication/drive_replica.h"

#include <string>
#include <utility>

#include "hyper/bee/bee_snapshot.h"
#include "hyper/drive/content_core.h"
#include "hyper/drive/entry_list.h"

namespace hnx::hyper {

DriveReplica::DriveReplica(const ReplicaPlace& place, const DriveKey& key,
                           std::unique_ptr<SparseCore> db, std::size_t cache_bytes_max)
    : place_(place),
      key_(key),
      db_(std::move(db)),
      blocks_(*db_),
      store_(blocks_, cache_bytes_max) {}

DriveReplica::~DriveReplica() = default;

Result<std::unique_ptr<DriveReplica>> DriveReplica::Open(const ReplicaPlace& place,
                                                         const DriveKey& key,
                                                         std::size_t cache_bytes_max) {
  HNX_ASSIGN_OR_RETURN(std::unique_ptr<SparseCore> db,
                       SparseCore::Open(place, CoreKey{key.bytes()}));
  return std::unique_ptr<DriveReplica>(
      new DriveReplica(place, key, std::move(db), cache_bytes_max));
}

Result<void> DriveReplica::WaitForVersion(std::uint64_t version_min) {
  HNX_TRY(db_->WaitForLength(version_min));
  return {};
}

Result<std::optional<DriveEntry>> DriveReplica::Entry(std::string_view path) const {
  return FindDriveEntry({store_, version()}, path);
}

Result<std::unique_ptr<DriveList>> DriveReplica::List(std::string_view folder) const {
  return ListDriveEntries({store_, version()}, folder);
}

Result<SparseCore*> DriveReplica::content() {
  {
    const MutexLock lock(content_mutex_);
    if (content_) {
      return content_.get();
    }
  }
  HNX_TRY(db_->WaitForLength(1));
  HNX_ASSIGN_OR_RETURN(const Bytes header, db_->Block(BlockIndex(0)));
  std::optional<Manifest> manifest;
  place_.loop.RunAndWait([&] { manifest = db_->downloader().replica().manifest(); });
  HNX_ASSIGN_OR_RETURN(const CoreKey content_key, ContentKeyOf(header, manifest, db_->key()));
  HNX_ASSIGN_OR_RETURN(std::unique_ptr<SparseCore> opened, SparseCore::Open(place_, content_key));
  const MutexLock lock(content_mutex_);
  if (!content_) {
    content_ = std::move(opened);
  }
  return content_.get();  // another thread may have been sooner: both share one replica
}

Result<void> DriveReplica::ReadBlob(const BlobId& blob, std::uint64_t offset, std::uint64_t length,
                                    const Sink& sink) {
  if (length == 0) {
    return {};
  }
  HNX_ASSIGN_OR_RETURN(SparseCore* const core, content());
  return core->ReadBlob({blob, offset, length}, sink);
}

Result<Bytes> DriveReplica::ReadFile(std::string_view path, std::uint64_t size_max) {
  HNX_ASSIGN_OR_RETURN(const auto entry, Entry(path));
  const std::string object = "read " + std::string(path) + " of drive " + key_.id();
  if (!entry || !entry->blob) {
    return NotFound(object + ": no such file");
  }
  if (entry->blob->byte_length > size_max) {
    return ResourceExhausted(object + ": " + std::to_string(entry->blob->byte_length) +
                             " bytes, more than the limit of " + std::to_string(size_max));
  }
  Bytes content;
  const Result<void> read = ReadBlob(*entry->blob, 0, entry->blob->byte_length,
                                     [&content](ByteView piece) -> Result<void> {
                                       AppendTo(content, piece);
                                       return {};
                                     });
  if (!read) {
    return read.error().Annotate(object);
  }
  return content;
}

}  // namespace hnx::hyper
