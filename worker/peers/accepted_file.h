// The accepted head of a drive, kept beside it, so that a worker that is started anew serves what
// peers were told before without waiting for its coordinator. A head that was accepted is never cut
// off again, so an old file is true too: it tells less. It is therefore not synced; what a power
// cut leaves of it is either whole or nothing.
//
//   accepted 1
//   db <fork> <length> <bytes> <tree hash> <signature>
//   content <the same>
//   end
//
// Threads: one at a time per drive.
#pragma once

#include <filesystem>
#include <optional>

#include "base/result.h"
#include "hyper/drive/hyperdrive.h"

namespace hnx::worker {

Result<void> WriteAcceptedFile(const std::filesystem::path& drive_folder,
                               const hyper::SignedDriveHead& head);
// nullopt: none was accepted, or the file is not whole.
std::optional<hyper::SignedDriveHead> ReadAcceptedFile(const std::filesystem::path& drive_folder);

// Whether `accepted` is a head of the drive that is here, as far as the present head `now` can
// tell: not of a longer one (the drive was restored from a copy), nor of another.
bool IsPastOf(const hyper::SignedDriveHead& accepted, const hyper::SignedDriveHead& now);

}  // namespace hnx::worker
