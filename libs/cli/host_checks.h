// What a `doctor` command looks at on its own machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "cli/checkup.h"

namespace hnx::cli {

// With the options that they are from.
struct FolderToCheck {
  std::filesystem::path path;
  std::string flag;  // "--data"
};
struct RoomToCheck {
  std::uint64_t free_min = 0;  // bytes
  std::string flag;            // "--disk-reserve"
};

// Whether files can be made, written and synced in the folder, or, when it is not there yet, in
// the one that it would be made in ("folder"); and whether there is room ("disk"). Leaves nothing
// behind.
void CheckFolder(Checkup& checkup, const FolderToCheck& folder, const RoomToCheck& room);

}  // namespace hnx::cli
