// Where a user's programs keep what they can fetch again.
#pragma once

#include <filesystem>

#include "base/result.h"

namespace hnx::cli {

// hypercore-nixos in $XDG_CACHE_HOME or ~/.cache; not made. kFailedPrecondition: neither variable
// is set.
Result<std::filesystem::path> UserCacheFolder();

}  // namespace hnx::cli
