// DiskSpace: how much room the drives' file system has beyond the operator's reserve, as an
// interface so that tests can fill the disk.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/result.h"

namespace hnx::worker {

class DiskSpace {
 public:
  virtual ~DiskSpace() = default;
  // Free bytes for us; 0 when the reserve is reached.
  virtual Result<std::uint64_t> FreeBytes() const = 0;
};

class FileSystemSpace final : public DiskSpace {
 public:
  FileSystemSpace(std::filesystem::path folder, std::uint64_t reserve_bytes)
      : folder_(std::move(folder)), reserve_(reserve_bytes) {}
  Result<std::uint64_t> FreeBytes() const override;

 private:
  const std::filesystem::path folder_;
  const std::uint64_t reserve_;
};

}  // namespace hnx::worker
