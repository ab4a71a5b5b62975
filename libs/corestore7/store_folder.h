// Whose folder it is: made by hyp for this drive, new, or somebody else's. Looks at names and at
// one small file, and never opens a database to find out.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "hyper/drive/drive_key.h"

namespace hnx::corestore7 {

// The database, where JavaScript looks for it.
std::filesystem::path DatabaseFolder(const std::filesystem::path& folder);

// Makes `folder` ours, durably, unless it is already. kFailedPrecondition says what stands there
// instead, and then nothing was changed.
Result<void> ClaimStoreFolder(const std::filesystem::path& folder, const hyper::DriveKey& owner);

}  // namespace hnx::corestore7
