#include "hyper/drive/hyperdrive.h"

#include <utility>

#include <fmt/core.h>

#include "base/crash_point.h"
#include "hyper/bee/hyperbee.h"
#include "hyper/blobs/hyperblobs.h"
#include "hyper/core/keys.h"
#include "hyper/drive/content_core.h"
#include "hyper/drive/drive_batch_impl.h"
#include "hyper/drive/drive_path.h"
#include "hyper/drive/entry_list.h"
#include "hyper/drive/writable_drive.h"

namespace hnx::hyper {

class Hyperdrive::Impl : public WritableDrive {
 public:
  using WritableDrive::WritableDrive;
};

Hyperdrive::Hyperdrive(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Hyperdrive::~Hyperdrive() = default;

namespace {

Result<std::unique_ptr<Hypercore>> OpenContent(Corestore& store, const Hypercore& db) {
  if (!db.manifest() || db.manifest()->version < 1) {
    return InvalidArgument("open the drive: its core has a manifest of an older kind");
  }
  HNX_ASSIGN_OR_RETURN(KeyPair key_pair, db.CloneKeyPair());
  return store.OpenOrCreate(
      NewCore{ContentManifestOf(*db.manifest(), db.key()), std::move(key_pair), {}});
}

}  // namespace

Result<std::unique_ptr<Hyperdrive>> Hyperdrive::OpenOrCreate(Corestore& store) {
  HNX_ASSIGN_OR_RETURN(auto db, store.OpenOrCreateNamed(kDriveDbName));
  HNX_ASSIGN_OR_RETURN(auto content, OpenContent(store, *db));
  return std::unique_ptr<Hyperdrive>(
      new Hyperdrive(std::make_unique<Impl>(std::move(db), std::move(content))));
}

Result<std::unique_ptr<Hyperdrive>> Hyperdrive::Open(Corestore& store) {
  HNX_ASSIGN_OR_RETURN(auto db, store.OpenNamed(kDriveDbName));
  HNX_ASSIGN_OR_RETURN(auto content, OpenContent(store, *db));
  return std::unique_ptr<Hyperdrive>(
      new Hyperdrive(std::make_unique<Impl>(std::move(db), std::move(content))));
}

Result<void> Hyperdrive::TakeOver(Corestore& store) {
  HNX_ASSIGN_OR_RETURN(const auto db, store.TakeOverNamed(kDriveDbName));
  HNX_ASSIGN_OR_RETURN(KeyPair key_pair, db->CloneKeyPair());
  const auto content = store.TakeOver(
      NewCore{ContentManifestOf(*db->manifest(), db->key()), std::move(key_pair), {}});
  // A drive whose entries name no content yet.
  return content || content.error().code == ErrorCode::kNotFound ? Result<void>() : content.error();
}

DriveKey Hyperdrive::KeyFor(const PrimaryKey& primary_key) {
  const KeyPair key_pair = DeriveKeyPair(primary_key, kRootStoreNamespace, kDriveDbName);
  return DriveKey(CoreKeyOf(Manifest::SingleSigner(key_pair.public_key)).bytes);
}

const DriveKey& Hyperdrive::key() const {
  return impl_->key;
}
const DriveKey& Hyperdrive::content_key() const {
  return impl_->content_key;
}
DriveHead Hyperdrive::head() const {
  return impl_->head();
}

SignedDriveHead Hyperdrive::signed_head() const {
  return {impl_->db->head(), impl_->content->head()};
}

Result<std::optional<bool>> Hyperdrive::GrewOutOf(const DriveHead& earlier) const {
  const DriveHead now = head();
  if (earlier.db_length > now.db_length || earlier.content_length > now.content_length) {
    return std::optional(false);
  }
  HNX_ASSIGN_OR_RETURN(const auto db, impl_->db->TreeHashAt(earlier.db_length));
  HNX_ASSIGN_OR_RETURN(const auto content, impl_->content->TreeHashAt(earlier.content_length));
  const bool db_differs = db && earlier.db_length > 0 && *db != earlier.db_tree_hash;
  const bool content_differs =
      content && earlier.content_length > 0 && *content != earlier.content_tree_hash;
  if (db_differs || content_differs) {
    return std::optional(false);
  }
  return db && content ? std::optional(true) : std::nullopt;
}

Result<std::unique_ptr<DriveBatch>> Hyperdrive::BeginBatch() {
  if (impl_->batch_open) {
    return FailedPrecondition("begin a batch on drive " + key().id() + ": one is open already");
  }
  return std::unique_ptr<DriveBatch>(new DriveBatch(std::make_unique<DriveBatch::Impl>(*impl_)));
}

Result<DriveHead> Hyperdrive::Put(std::string_view path, ByteView content, PutOptions options) {
  HNX_ASSIGN_OR_RETURN(const auto batch, BeginBatch());
  HNX_TRY(batch->Put(path, content, std::move(options)));
  return batch->Commit();
}

Result<DriveHead> Hyperdrive::Symlink(std::string_view path, std::string_view linkname,
                                      std::string metadata_json) {
  HNX_ASSIGN_OR_RETURN(const auto batch, BeginBatch());
  HNX_TRY(batch->Symlink(path, linkname, std::move(metadata_json)));
  return batch->Commit();
}

Result<DriveHead> Hyperdrive::Del(std::string_view path) {
  HNX_ASSIGN_OR_RETURN(const auto batch, BeginBatch());
  HNX_TRY(batch->Del(path));
  return batch->Commit();
}

Result<std::optional<DriveEntry>> Hyperdrive::Entry(std::string_view path) const {
  return FindDriveEntry(impl_->bee.snapshot(), path);
}

Result<std::unique_ptr<DriveList>> Hyperdrive::List(std::string_view folder) const {
  return ListDriveEntries(impl_->bee.snapshot(), folder);
}

Result<Bytes> Hyperdrive::Get(std::string_view path, std::uint64_t size_max) const {
  HNX_ASSIGN_OR_RETURN(const auto entry, Entry(path));
  if (!entry || !entry->blob) {
    return NotFound(fmt::format("get {}: no such file in drive {}", path, key().id()));
  }
  const BlobId& blob = *entry->blob;
  if (blob.byte_length > size_max) {
    return ResourceExhausted(fmt::format("get {}: {} bytes, more than the limit of {}", path,
                                         blob.byte_length, size_max));
  }
  HNX_TRY(CheckBlobBounds(blob, impl_->content->length(), impl_->content->byte_length()));
  Bytes bytes;
  for (std::uint64_t i = 0; i < blob.block_length; ++i) {
    HNX_ASSIGN_OR_RETURN(const Bytes block, impl_->content->Get(BlockIndex(blob.block_offset + i)));
    AppendTo(bytes, block);
  }
  return bytes;
}

Result<void> Hyperdrive::Clear(const BlobId& blob, LockWait wait) {
  HNX_TRY(CheckBlobBounds(blob, impl_->content->length(), impl_->content->byte_length()));
  if (blob.block_length == 0) {
    return {};
  }
  return impl_->content->Clear(
      {BlockIndex(blob.block_offset), BlockIndex(blob.block_offset + blob.block_length)}, wait);
}

Result<DriveHead> Hyperdrive::CutUnannouncedTail(std::uint64_t db_length,
                                                 std::uint64_t content_length) {
  if (impl_->batch_open) {
    return FailedPrecondition("cut the tail of drive " + key().id() + ": a batch is open");
  }
  const DriveHead now = head();
  if (db_length > now.db_length || content_length > now.content_length) {
    return FailedPrecondition(
        fmt::format("cut the tail of drive {} to {} and {} blocks: it has only {} and {}",
                    key().id(), db_length, content_length, now.db_length, now.content_length));
  }
  // The db first: no entry may name content that is gone.
  impl_->bee.ForgetFrom(db_length);
  if (db_length < now.db_length) {
    HNX_TRY(impl_->db->CutUnannouncedTail(db_length));
  }
  CrashPoint("drive.between_cuts");
  if (content_length < now.content_length) {
    HNX_TRY(impl_->content->CutUnannouncedTail(content_length));
  }
  return head();
}

}  // namespace hnx::hyper
