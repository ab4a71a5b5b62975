// The primary key of the index drive: 32 random bytes in a file that the operator keeps. Whoever
// has it can write the mirror; whoever loses it can never write this mirror again. It is never made
// silently and never printed.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "hyper/drive/corestore.h"
#include "hyper/drive/drive_key.h"

namespace hnx::worker {

// Writes a new key with mode 0600. kAlreadyExists when the file is there.
Result<void> CreateIndexKeyFile(const std::filesystem::path& path);

// kFailedPrecondition: not 32 bytes, or readable by others.
Result<hyper::PrimaryKey> ReadIndexKeyFile(const std::filesystem::path& path);

// The mirror's public name that this key gives.
Result<hyper::DriveKey> MirrorKeyOf(const hyper::PrimaryKey& primary_key);

}  // namespace hnx::worker
