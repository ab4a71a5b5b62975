#include "worker/shard/shard_drive.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "base/check.h"
#include "base/crash_point.h"
#include "mirror/index_layout.h"

namespace hnx::worker {

Result<std::unique_ptr<ShardDrive>> ShardDrive::Open(const std::filesystem::path& folder) {
  HNX_ASSIGN_OR_RETURN(auto store, hyper::Corestore::Open(folder));
  HNX_ASSIGN_OR_RETURN(auto drive, hyper::Hyperdrive::OpenOrCreate(*store));
  return std::unique_ptr<ShardDrive>(new ShardDrive(std::move(store), std::move(drive)));
}

ShardDrive::ShardDrive(std::unique_ptr<hyper::Corestore> store,
                       std::unique_ptr<hyper::Hyperdrive> drive)
    : store_(std::move(store)), drive_(std::move(drive)) {}

ShardDrive::~ShardDrive() {
  (void)Abort();
}

Error ShardDrive::Failed(Error error) {
  stream_.reset();
  batch_.reset();
  return error.Annotate(fmt::format("shard {}", key().id()));
}

Result<void> ShardDrive::OpenStream(std::string_view file, std::string metadata_json) {
  CrashPoint("worker.before_append");
  if (batch_ == nullptr) {
    HNX_ASSIGN_OR_RETURN(batch_, drive_->BeginBatch());
  }
  hyper::PutOptions options;
  options.metadata_json = std::move(metadata_json);
  HNX_ASSIGN_OR_RETURN(auto stream, batch_->OpenWrite(mirror::NarPath(file), std::move(options)));
  stream_.emplace(std::move(stream));
  return {};
}

Result<void> ShardDrive::PutNar(const ShardEntry& entry, std::span<const Chunk> chunks) {
  HNX_CHECK(!stream_.has_value());
  auto opened = OpenStream(entry.file, ShardMetadataJson(entry));
  if (!opened.has_value()) {
    return Failed(opened.error());
  }
  for (const Chunk& chunk : chunks) {
    auto written = stream_->Write(chunk.bytes);
    if (!written.has_value()) {
      return Failed(written.error());
    }
  }
  auto blob = stream_->Finish();
  stream_.reset();
  if (!blob.has_value()) {
    return Failed(blob.error());
  }
  Staged(entry, *blob);
  return {};
}

Result<void> ShardDrive::Write(std::string_view file, ByteView bytes) {
  if (!stream_) {
    auto opened = OpenStream(file, "null");
    if (!opened.has_value()) {
      return Failed(opened.error());
    }
  }
  auto written = stream_->Write(bytes);
  if (!written.has_value()) {
    return Failed(written.error());
  }
  return {};
}

void ShardDrive::Staged(const ShardEntry& entry, const hyper::BlobId& blob) {
  staged_.push_back(entry);
  staged_.back().blob = blob;
  CrashPoint("worker.after_append");
}

Result<void> ShardDrive::FinishNar(const ShardEntry& entry) {
  HNX_CHECK(stream_.has_value());
  auto blob = stream_->Finish();
  stream_.reset();
  if (!blob.has_value()) {
    return Failed(blob.error());
  }
  // Only now are the hashes of the file known: the entry gets its metadata.
  hyper::DriveEntry with_metadata;
  with_metadata.path = mirror::NarPath(entry.file);
  with_metadata.blob = *blob;
  with_metadata.metadata_json = ShardMetadataJson(entry);
  auto put = batch_->PutEntry(with_metadata);
  if (!put.has_value()) {
    return Failed(put.error());
  }
  Staged(entry, *blob);
  return {};
}

Result<void> ShardDrive::AbortNar() {
  if (!stream_) {
    return {};
  }
  auto aborted = stream_->Abort();
  stream_.reset();
  if (!aborted.has_value()) {
    return Failed(aborted.error());
  }
  return {};
}

std::uint64_t ShardDrive::staged_bytes() const {
  return batch_ == nullptr ? 0 : batch_->staged_content_bytes();
}

Result<std::vector<ShardEntry>> ShardDrive::Commit() {
  HNX_CHECK(!stream_.has_value());
  if (batch_ != nullptr) {
    auto head = batch_->Commit();
    batch_.reset();
    if (!head.has_value()) {
      return Failed(head.error());
    }
    CrashPoint("worker.after_commit");
  }
  return std::exchange(staged_, {});
}

std::vector<ShardEntry> ShardDrive::Abort() {
  stream_.reset();
  if (batch_ != nullptr) {
    (void)batch_->Abort();
    batch_.reset();
  }
  return std::exchange(staged_, {});
}

Result<std::vector<ShardEntry>> ShardDrive::EntriesFrom(std::uint64_t content_block) const {
  std::vector<ShardEntry> entries;
  HNX_ASSIGN_OR_RETURN(const auto list, drive_->List(mirror::kNarFolder));
  while (true) {
    HNX_ASSIGN_OR_RETURN(const auto entry, list->Next());
    if (!entry) {
      break;
    }
    if (!entry->blob || entry->blob->block_offset < content_block) {
      continue;
    }
    HNX_ASSIGN_OR_RETURN(ShardEntry shard_entry, ShardEntryOf(*entry));
    entries.push_back(std::move(shard_entry));
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.blob < b.blob; });
  return entries;
}

Result<void> ShardDrive::Drop(std::string_view file) {
  HNX_CHECK(batch_ == nullptr);
  const std::string path = mirror::NarPath(file);
  HNX_ASSIGN_OR_RETURN(const auto entry, drive_->Entry(path));
  if (!entry) {
    return {};
  }
  // In this order: a crash in between leaves the entry, so that the room is given back next time.
  if (entry->blob) {
    HNX_TRY(drive_->Clear(*entry->blob));
  }
  HNX_TRY(drive_->Del(path));
  return {};
}

Result<void> ShardDrive::DeleteEntries(std::span<const std::string> files) {
  HNX_CHECK(batch_ == nullptr);
  HNX_ASSIGN_OR_RETURN(const auto batch, drive_->BeginBatch());
  for (const std::string& file : files) {
    const std::string path = mirror::NarPath(file);
    HNX_ASSIGN_OR_RETURN(const auto entry, drive_->Entry(path));
    if (entry) {
      HNX_TRY(batch->Del(path));
    }
  }
  CrashPoint("worker.before_delete");
  HNX_TRY(batch->Commit());
  CrashPoint("worker.after_delete");
  return {};
}

Result<void> ShardDrive::Clear(const hyper::BlobId& blob) {
  HNX_CHECK(batch_ == nullptr);
  const hyper::DriveHead head = drive_->head();
  if (blob.block_offset + blob.block_length > head.content_length) {
    return Error{ErrorCode::kOutOfRange,
                 fmt::format("blob at block {} lies beyond the shard's {} blocks",
                             blob.block_offset, head.content_length)};
  }
  auto cleared = drive_->Clear(blob);
  CrashPoint("worker.after_clear");
  return cleared;
}

Result<hyper::DriveHead> ShardDrive::CutTail(const hyper::DriveHead& to) {
  HNX_CHECK(batch_ == nullptr);
  return drive_->CutUnannouncedTail(to.db_length, to.content_length);
}

}  // namespace hnx::worker
