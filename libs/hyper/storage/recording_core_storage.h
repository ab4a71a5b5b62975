// A storage that keeps a journal of everything that changes the files, so that a test can ask what
// a crash at any moment may leave behind (tests/property/hyper_core).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "hyper/core/core_storage.h"

namespace hnx::hyper {

struct RecordedChange {
  enum class Kind { kWrite, kTruncate, kPunchHole, kSync };

  Kind kind;
  CoreFile file;
  std::uint64_t offset = 0;  // or the new size
  std::uint64_t length = 0;  // of a hole
  Bytes bytes;               // of a write
};

// Outlives the storages that write into it: a core that is opened again goes on in the same
// journal.
using ChangeJournal = std::vector<RecordedChange>;

class RecordingCoreStorage final : public CoreStorage {
 public:
  RecordingCoreStorage(std::unique_ptr<CoreStorage> inner, std::shared_ptr<ChangeJournal> journal)
      : inner_(std::move(inner)), journal_(std::move(journal)) {}

  std::string Name() const override { return inner_->Name(); }
  Result<std::size_t> Read(CoreFile file, std::uint64_t offset, std::span<std::byte> out) override;
  Result<std::uint64_t> Size(CoreFile file) override;
  Result<void> Write(CoreFile file, std::uint64_t offset, ByteView bytes) override;
  Result<void> Truncate(CoreFile file, std::uint64_t size) override;
  Result<void> PunchHole(CoreFile file, std::uint64_t offset, std::uint64_t length) override;
  void Sync(CoreFile file) override;
  Result<DataLock> LockData(LockKind kind, ByteRange range, LockWait wait) override;

 private:
  std::unique_ptr<CoreStorage> inner_;
  std::shared_ptr<ChangeJournal> journal_;
};

}  // namespace hnx::hyper
