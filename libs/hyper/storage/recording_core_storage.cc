#include "hyper/storage/recording_core_storage.h"

namespace hnx::hyper {

Result<std::size_t> RecordingCoreStorage::Read(CoreFile file, std::uint64_t offset,
                                               std::span<std::byte> out) {
  return inner_->Read(file, offset, out);
}

Result<std::uint64_t> RecordingCoreStorage::Size(CoreFile file) {
  return inner_->Size(file);
}

Result<void> RecordingCoreStorage::Write(CoreFile file, std::uint64_t offset, ByteView bytes) {
  journal_->push_back({RecordedChange::Kind::kWrite, file, offset, 0, ToBytes(bytes)});
  return inner_->Write(file, offset, bytes);
}

Result<void> RecordingCoreStorage::Truncate(CoreFile file, std::uint64_t size) {
  journal_->push_back({RecordedChange::Kind::kTruncate, file, size, 0, {}});
  return inner_->Truncate(file, size);
}

Result<void> RecordingCoreStorage::PunchHole(CoreFile file, std::uint64_t offset,
                                             std::uint64_t length) {
  journal_->push_back({RecordedChange::Kind::kPunchHole, file, offset, length, {}});
  return inner_->PunchHole(file, offset, length);
}

void RecordingCoreStorage::Sync(CoreFile file) {
  journal_->push_back({RecordedChange::Kind::kSync, file, 0, 0, {}});
  inner_->Sync(file);
}

Result<DataLock> RecordingCoreStorage::LockData(LockKind kind, ByteRange range, LockWait wait) {
  return inner_->LockData(kind, range, wait);
}

}  // namespace hnx::hyper
