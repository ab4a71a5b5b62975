// The files of a core in memory, for tests and for cores that need not outlive the process.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "hyper/core/core_storage.h"

namespace hnx::hyper {

// The content, shared by all storages over it: a "disk" that outlives the core opened on it. One
// thread at a time.
struct MemoryCoreFiles {
  std::array<Bytes, kCoreFileCount> content;

  Bytes& of(CoreFile file) { return content[static_cast<std::size_t>(file)]; }
};

class MemoryCoreStorage final : public CoreStorage {
 public:
  MemoryCoreStorage() : files_(std::make_shared<MemoryCoreFiles>()) {}
  explicit MemoryCoreStorage(std::shared_ptr<MemoryCoreFiles> files) : files_(std::move(files)) {}

  std::string Name() const override { return "memory"; }
  Result<std::size_t> Read(CoreFile file, std::uint64_t offset, std::span<std::byte> out) override;
  Result<std::uint64_t> Size(CoreFile file) override;
  Result<void> Write(CoreFile file, std::uint64_t offset, ByteView bytes) override;
  Result<void> Truncate(CoreFile file, std::uint64_t size) override;
  Result<void> PunchHole(CoreFile file, std::uint64_t offset, std::uint64_t length) override;
  void Sync(CoreFile /*file*/) override {}
  // Nobody else is there.
  Result<DataLock> LockData(LockKind kind, ByteRange range, LockWait wait) override;

 private:
  std::shared_ptr<MemoryCoreFiles> files_;
};

}  // namespace hnx::hyper
