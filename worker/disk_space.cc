#include "worker/disk_space.h"

#include <system_error>

#include <fmt/core.h>

namespace hnx::worker {

Result<std::uint64_t> FileSystemSpace::FreeBytes() const {
  std::error_code error;
  const auto space = std::filesystem::space(folder_, error);
  if (error) {
    return Internal(fmt::format("free space of {}: {}", folder_.string(), error.message()));
  }
  const std::uint64_t available = space.available;
  return available > reserve_ ? available - reserve_ : 0;
}

}  // namespace hnx::worker
