// Finding the drive of a store whose key is not known, without its primary key.
#pragma once

#include <cstddef>
#include <filesystem>

#include "base/result.h"
#include "hyper/core/fixed_bytes.h"

namespace hnx::hyper {

// Cores of one store that are looked at.
inline constexpr std::size_t kCoresScannedMax = 4096;

// The key of the core whose header says corestore/name = "db" in the root namespace. kNotFound:
// none in that folder.
Result<CoreKey> FindDriveIn(const std::filesystem::path& folder);

}  // namespace hnx::hyper
