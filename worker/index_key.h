// The primary key of the index drive: 32 random bytes in a file that the operator keeps. Whoever
// has it can write the mirror; whoever loses it can never write this mirror again. It is never made
// silently and never printed.
//
// Beside a key FILE may lie, made with it:
//   FILE.new          nothing was ever published under it. The first worker that makes its index
//                     drive removes it; without it a missing drive is a lost one.
//   FILE.predecessor  the id of the mirror that the new one replaces
#pragma once

#include <filesystem>
#include <optional>

#include "base/result.h"
#include "hyper/drive/corestore.h"
#include "hyper/drive/drive_key.h"

namespace hnx::worker {

// Writes a new key with mode 0600, and what lies beside it. kAlreadyExists when the file is there.
Result<void> CreateIndexKeyFile(const std::filesystem::path& path,
                                const std::optional<hyper::DriveKey>& predecessor = {});

// Whether the key's FILE.new is there.
bool IsUnusedIndexKey(const std::filesystem::path& path);
// From now on the key is a used one. Durable when it returns.
Result<void> MarkIndexKeyUsed(const std::filesystem::path& path);
// None: the mirror replaces none.
Result<std::optional<hyper::DriveKey>> PredecessorOf(const std::filesystem::path& path);

// kFailedPrecondition: not 32 bytes, or readable by others; mode 0440 of root is taken from
// everybody but root (a Kubernetes Secret). The caller wipes it.
Result<hyper::PrimaryKey> ReadIndexKeyFile(const std::filesystem::path& path);

// The mirror's public name that this key gives.
Result<hyper::DriveKey> MirrorKeyOf(const hyper::PrimaryKey& primary_key);

}  // namespace hnx::worker
