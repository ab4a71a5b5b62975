// Files of the operating system: a descriptor that closes itself, and whole-range reads and writes
// that continue after EINTR and short transfers. Errors name the path.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace hnx {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept;
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd();

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  // Gives the descriptor away.
  int Release();

 private:
  int fd_ = -1;
};

// open(2) with O_CLOEXEC added.
Result<UniqueFd> OpenFile(const std::filesystem::path& path, int flags, unsigned mode = 0644);

// Reads exactly out.size() bytes at `offset`; kOutOfRange when the file ends before.
Result<void> ReadAt(int fd, std::uint64_t offset, std::span<std::byte> out);
// Reads up to out.size() bytes at `offset` and tells how many there were.
Result<std::size_t> ReadUpToAt(int fd, std::uint64_t offset, std::span<std::byte> out);
Result<void> WriteAt(int fd, std::uint64_t offset, ByteView bytes);
Result<std::uint64_t> FileSize(int fd);

// The folder and those above it, as far as they are not there.
Result<void> MakeFolders(const std::filesystem::path& folder);

// A whole small file; more than `size_max` bytes are kResourceExhausted.
Result<std::string> ReadWholeFile(const std::filesystem::path& path, std::uint64_t size_max);
// Readers see the old or the new content, also after a power cut: temporary file, fsync, rename,
// fsync of the directory.
Result<void> WriteFileDurably(const std::filesystem::path& path, ByteView content,
                              unsigned mode = 0644);
// Makes the directory entries of `directory` durable.
Result<void> SyncDirectory(const std::filesystem::path& directory);

}  // namespace hnx
