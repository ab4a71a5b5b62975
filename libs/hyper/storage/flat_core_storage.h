// The files of a core in a folder: <root>/cores/aa/bb/<discovery key>/{oplog,tree,bitfield,data},
// as corestore 6 lays them out.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <string>

#include "base/file.h"
#include "base/result.h"
#include "hyper/core/core_storage.h"
#include "hyper/core/fixed_bytes.h"

namespace hnx::hyper {

// The folder of a core below the root of a store.
std::filesystem::path CoreFolder(const std::filesystem::path& store_root, const DiscoveryKey& key);

class FlatCoreStorage final : public CoreStorage {
 public:
  // For the writer. Makes the folder (and its parents below an existing one) and empty files, all
  // durable, and holds the lock on `oplog` that JavaScript's hypercore takes too. kUnavailable:
  // another writer has it.
  static Result<std::unique_ptr<FlatCoreStorage>> OpenForWriting(
      const std::filesystem::path& folder);
  // For readers: creates and locks nothing, and refuses to write (kPermissionDenied). kNotFound: no
  // such core.
  static Result<std::unique_ptr<FlatCoreStorage>> OpenReadOnly(const std::filesystem::path& folder);
  // For who mends what is damaged beside a writer (CoreMender): creates and locks nothing, and may
  // write. kNotFound: no such core.
  static Result<std::unique_ptr<FlatCoreStorage>> OpenForMending(
      const std::filesystem::path& folder);
  // Whether some process has it open for writing now.
  static Result<bool> HasWriter(const std::filesystem::path& folder);

  std::string Name() const override { return folder_.string(); }
  Result<std::size_t> Read(CoreFile file, std::uint64_t offset, std::span<std::byte> out) override;
  Result<std::uint64_t> Size(CoreFile file) override;
  Result<void> Write(CoreFile file, std::uint64_t offset, ByteView bytes) override;
  Result<void> Truncate(CoreFile file, std::uint64_t size) override;
  Result<void> PunchHole(CoreFile file, std::uint64_t offset, std::uint64_t length) override;
  void Sync(CoreFile file) override;
  Result<DataLock> LockData(LockKind kind, ByteRange range, LockWait wait) override;
  // Lets the kernel forget what it keeps of a range of the file (to its end with length 0), so that
  // the next read comes from the disk; pages that are not written yet stay. A hint.
  void ForgetCached(CoreFile file, std::uint64_t offset, std::uint64_t length);

 private:
  FlatCoreStorage(std::filesystem::path folder, bool writing);

  std::filesystem::path PathOf(CoreFile file) const;
  // The open descriptor; -1 when the file is not there (and not to be made).
  Result<int> Descriptor(CoreFile file, bool create);

  std::filesystem::path folder_;
  bool writing_;
  std::array<UniqueFd, kCoreFileCount> files_;
};

}  // namespace hnx::hyper
