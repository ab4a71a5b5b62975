// What a `doctor` command looks at on its own machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "cli/checkup.h"

namespace hnx::cli {

// Whether files can be made, written and synced in `folder`, or, when it is not there yet, in the
// folder that it would be made in ("folder"); and whether at least `free_min` bytes are free there
// ("disk"). Leaves nothing behind. `free_flag`: names the option that `free_min` is from.
void CheckFolder(Checkup& checkup, const std::filesystem::path& folder, std::uint64_t free_min,
                 const std::string& free_flag);

}  // namespace hnx::cli
