// What there is in the folder of a store, without its primary key and without any core being sound.
#pragma once

#include <cstddef>
#include <filesystem>

#include "base/result.h"
#include "hyper/core/audit.h"
#include "hyper/core/fixed_bytes.h"
#include "hyper/drive/drive_reader.h"

namespace hnx::hyper {

// Cores of one store that are looked at.
inline constexpr std::size_t kCoresScannedMax = 4096;

// The key of the core whose header says corestore/name = "db" in the root namespace. kNotFound:
// none in that folder.
Result<CoreKey> FindDriveIn(const std::filesystem::path& folder);

// Audits every core in the folder, whether a drive opens on it or not. Findings name the core's
// folder, the file and the place. An Error is a failure to read.
Result<DriveAudit> AuditStoreFolder(const std::filesystem::path& folder,
                                    const AuditProgress& progress = {});

}  // namespace hnx::hyper
