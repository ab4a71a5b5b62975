// A storage that has no room left: from the n-th change on every write writes half of its bytes and
// fails, until Heal.
#pragma once

#include <memory>

#include "hyper/core/core_storage.h"

namespace hnx::hyper {

// Shared with the test, which sets it while the core owns the storage.
struct Failure {
  int writes_left = 1'000'000'000;
};

class FailingStorage final : public CoreStorage {
 public:
  FailingStorage(std::unique_ptr<CoreStorage> inner, std::shared_ptr<Failure> failure)
      : inner_(std::move(inner)), failure_(std::move(failure)) {}

  std::string Name() const override { return inner_->Name(); }
  Result<std::size_t> Read(CoreFile file, std::uint64_t offset, std::span<std::byte> out) override {
    return inner_->Read(file, offset, out);
  }
  Result<std::uint64_t> Size(CoreFile file) override { return inner_->Size(file); }
  Result<void> Write(CoreFile file, std::uint64_t offset, ByteView bytes) override {
    if (failure_->writes_left-- <= 0) {
      HNX_TRY(inner_->Write(file, offset, bytes.first(bytes.size() / 2)));
      return ResourceExhausted("no space left");
    }
    return inner_->Write(file, offset, bytes);
  }
  Result<void> Truncate(CoreFile file, std::uint64_t size) override {
    return inner_->Truncate(file, size);
  }
  Result<void> PunchHole(CoreFile file, std::uint64_t offset, std::uint64_t length) override {
    return inner_->PunchHole(file, offset, length);
  }
  void Sync(CoreFile file) override { inner_->Sync(file); }
  Result<DataLock> LockData(LockKind kind, ByteRange range, LockWait wait) override {
    return inner_->LockData(kind, range, wait);
  }

 private:
  std::unique_ptr<CoreStorage> inner_;
  std::shared_ptr<Failure> failure_;
};

}  // namespace hnx::hyper
