#include <thread>
#include <utility>

#include <fmt/core.h>

#include "base/check.h"
#include "base/crash_point.h"
#include "hyper/blobs/hyperblobs.h"
#include "hyper/drive/drive_batch_impl.h"
#include "hyper/drive/drive_path.h"

namespace hnx::hyper {

// -- DriveBatch::Impl

DriveBatch::Impl::Impl(WritableDrive& drive)
    : drive_(drive), bee_(std::in_place, drive.bee.Batch()) {
  drive_.batch_open = true;
}

DriveBatch::Impl::~Impl() {
  if (state_ != State::kEnded) {
    (void)End();
  }
}

Result<void> DriveBatch::Impl::Ready(std::string_view operation) const {
  if (state_ == State::kEnded) {
    return FailedPrecondition(
        fmt::format("{} in drive {}: the batch is over", operation, drive_.key.id()));
  }
  if (state_ == State::kFailed) {
    return FailedPrecondition(
        fmt::format("{} in drive {}: an earlier operation of the batch failed; abort it", operation,
                    drive_.key.id()));
  }
  if (stream_) {
    return FailedPrecondition(
        fmt::format("{} in drive {}: a file is still being written", operation, drive_.key.id()));
  }
  return {};
}

Result<void> DriveBatch::Impl::CheckRoom(std::size_t bytes) const {
  if (bee_->operations() >= kDriveBatchOperationsMax) {
    return ResourceExhausted(
        fmt::format("a batch takes at most {} entries; commit it first", kDriveBatchOperationsMax));
  }
  if (bytes > kDriveBatchEntryBytesMax - bee_->bytes()) {
    return ResourceExhausted(
        fmt::format("a batch takes at most {} bytes of entries; commit it "
                    "first",
                    kDriveBatchEntryBytesMax));
  }
  return {};
}

Result<void> DriveBatch::Impl::PutEntry(const DriveEntry& entry) {
  HNX_ASSIGN_OR_RETURN(const std::string json, EncodeDriveEntryJson(entry));
  const Bytes key = EncodeDriveBeeKey(entry.path);
  HNX_TRY(CheckRoom(key.size() + json.size()));
  return Guarded(bee_->Put(key, AsBytes(json)));
}

Result<void> DriveBatch::Impl::Del(const std::string& path) {
  const Bytes key = EncodeDriveBeeKey(path);
  HNX_TRY(CheckRoom(key.size()));
  auto found = bee_->Del(key);
  if (!found) {
    state_ = State::kFailed;
    return found.error();
  }
  return {};
}

Result<void> DriveBatch::Impl::Guarded(Result<void> outcome) {
  if (!outcome) {
    state_ = State::kFailed;
  }
  return outcome;
}

Result<void> DriveBatch::Impl::OpenStream() {
  HNX_ASSIGN_OR_RETURN(StagedAppend stream, drive_.content->Stage());
  stream_.emplace(std::move(stream));
  return {};
}

Result<BlobId> DriveBatch::Impl::FinishStream() {
  // No bytes are no blocks, and then the range says where they would be.
  const BlobId empty{stream_->first_block().value(), 0, stream_->first_byte().value(), 0};
  const bool has_bytes = stream_->bytes_written() > 0;
  auto range = stream_->Finish();
  stream_.reset();
  if (!range) {
    state_ = State::kFailed;
    return range.error();
  }
  return has_bytes ? BlobIdOf(*range) : empty;
}

Result<void> DriveBatch::Impl::AbortStream() {
  if (!stream_) {
    return {};  // the batch ended first and took it along
  }
  auto aborted = stream_->Abort();
  stream_.reset();
  return Guarded(std::move(aborted));
}

std::uint64_t DriveBatch::Impl::staged_content_bytes() const {
  return drive_.content->staged_byte_length() - drive_.content->byte_length();
}

Result<DriveHead> DriveBatch::Impl::Commit() {
  auto committed = TryCommit();
  auto ended = End();
  if (!committed) {
    return committed.error().Annotate("commit to drive " + drive_.key.id());
  }
  HNX_TRY(std::move(ended));
  return *committed;
}

Result<DriveHead> DriveBatch::Impl::TryCommit() {
  HNX_TRY(drive_.bee.Stage(*std::move(bee_)));
  bee_.reset();
  // Both waits for the disk at once.
  Result<void> db_prepared;
  Result<void> content_prepared;
  {
    const std::jthread sync_content(
        [this, &content_prepared] { content_prepared = drive_.content->PrepareCommit(); });
    db_prepared = drive_.db->PrepareCommit();
  }
  HNX_TRY(std::move(content_prepared));
  HNX_TRY(std::move(db_prepared));
  CrashPoint("drive.after_data_sync");
  HNX_TRY(drive_.content->CommitPrepared());
  CrashPoint("drive.after_content_commit");
  HNX_TRY(drive_.db->CommitPrepared());
  CrashPoint("drive.after_db_commit");
  return drive_.head();
}

Result<void> DriveBatch::Impl::End() {
  state_ = State::kEnded;
  bee_.reset();
  stream_.reset();  // cuts its bytes off
  drive_.batch_open = false;
  auto content = drive_.content->DropStaged();
  HNX_TRY(drive_.db->DropStaged());
  return content;
}

// -- DriveBatch

DriveBatch::DriveBatch(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DriveBatch::~DriveBatch() = default;

Result<BlobId> DriveBatch::Put(std::string_view path, ByteView content, PutOptions options) {
  HNX_TRY(impl_->Ready("put"));
  HNX_ASSIGN_OR_RETURN(const std::string normal, NormalizeDrivePath(path));
  HNX_TRY(impl_->CheckRoom(0));
  DriveEntry entry{normal, options.executable, std::nullopt, std::nullopt,
                   std::move(options.metadata_json)};
  HNX_TRY(EncodeDriveEntryJson(entry));  // before anything is staged
  HNX_ASSIGN_OR_RETURN(entry.blob, StageBlob(impl_->content(), content));
  HNX_TRY(impl_->PutEntry(entry));
  return *entry.blob;
}

Result<DriveWriteStream> DriveBatch::OpenWrite(std::string_view path, PutOptions options) {
  HNX_TRY(impl_->Ready("write a file"));
  HNX_ASSIGN_OR_RETURN(std::string normal, NormalizeDrivePath(path));
  HNX_TRY(impl_->CheckRoom(0));
  HNX_TRY(EncodeDriveEntryJson(
      DriveEntry{normal, options.executable, std::nullopt, std::nullopt, options.metadata_json}));
  HNX_TRY(impl_->OpenStream());
  return DriveWriteStream(this, std::move(normal), std::move(options));
}

Result<void> DriveBatch::Symlink(std::string_view path, std::string_view linkname,
                                 std::string metadata_json) {
  HNX_TRY(impl_->Ready("link"));
  HNX_ASSIGN_OR_RETURN(std::string normal, NormalizeDrivePath(path));
  return impl_->PutEntry(DriveEntry{std::move(normal), false, std::string(linkname), std::nullopt,
                                    std::move(metadata_json)});
}

Result<void> DriveBatch::PutEntry(const DriveEntry& entry) {
  HNX_TRY(impl_->Ready("put an entry"));
  DriveEntry normal = entry;
  HNX_ASSIGN_OR_RETURN(normal.path, NormalizeDrivePath(entry.path));
  return impl_->PutEntry(normal);
}

Result<void> DriveBatch::Del(std::string_view path) {
  HNX_TRY(impl_->Ready("delete"));
  HNX_ASSIGN_OR_RETURN(const std::string normal, NormalizeDrivePath(path));
  return impl_->Del(normal);
}

std::size_t DriveBatch::operations() const {
  return impl_->operations();
}

std::uint64_t DriveBatch::staged_content_bytes() const {
  return impl_->staged_content_bytes();
}

Result<DriveHead> DriveBatch::Commit() {
  HNX_TRY(impl_->Ready("commit"));
  return impl_->Commit();
}

Result<void> DriveBatch::Abort() {
  return impl_->End();
}

// -- DriveWriteStream

DriveWriteStream::DriveWriteStream(DriveBatch* batch, std::string path, PutOptions options)
    : batch_(batch), path_(std::move(path)), options_(std::move(options)) {}

DriveWriteStream::DriveWriteStream(DriveWriteStream&& other) noexcept
    : batch_(std::exchange(other.batch_, nullptr)),
      path_(std::move(other.path_)),
      options_(std::move(other.options_)) {}

DriveWriteStream::~DriveWriteStream() {
  if (batch_ != nullptr) {
    (void)Abort();
  }
}

Result<void> DriveWriteStream::Write(ByteView bytes) {
  HNX_CHECK(batch_ != nullptr);
  return batch_->impl_->WriteStream(bytes);
}

Result<BlobId> DriveWriteStream::Finish() {
  HNX_CHECK(batch_ != nullptr);
  DriveBatch::Impl& batch = *std::exchange(batch_, nullptr)->impl_;
  HNX_ASSIGN_OR_RETURN(const BlobId blob, batch.FinishStream());
  HNX_TRY(batch.PutEntry(
      DriveEntry{path_, options_.executable, std::nullopt, blob, options_.metadata_json}));
  return blob;
}

Result<void> DriveWriteStream::Abort() {
  HNX_CHECK(batch_ != nullptr);
  return std::exchange(batch_, nullptr)->impl_->AbortStream();
}

std::uint64_t DriveWriteStream::bytes_written() const {
  HNX_CHECK(batch_ != nullptr);
  return batch_->impl_->stream_bytes();
}

}  // namespace hnx::hyper
