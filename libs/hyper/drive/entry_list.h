// The entries of a Hyperbee version as DriveEntry values: what writer and readers share.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "hyper/bee/bee_snapshot.h"
#include "hyper/drive/drive_entry.h"
#include "hyper/drive/drive_reader.h"

namespace hnx::hyper {

Result<std::optional<DriveEntry>> FindDriveEntry(const BeeSnapshot& bee, std::string_view path);

// The store behind the snapshot must outlive the list.
Result<std::unique_ptr<DriveList>> ListDriveEntries(const BeeSnapshot& bee,
                                                    std::string_view folder);

}  // namespace hnx::hyper
