// The mark of a core whose owner signed two trees: a file `frozen` beside the core's own, so that a
// later process does not serve or follow it again either. It holds, for people, what the two were.
// JavaScript does not know the file and leaves it alone.
//
// Threads: any.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/result.h"

namespace hnx::hyper {

bool IsMarkedFrozen(const std::filesystem::path& core_folder);
// Durable when it returns. The folder is there.
Result<void> MarkFrozen(const std::filesystem::path& core_folder, std::string_view what);
// What whoever wants to read such a core is told.
Error FrozenError(const std::filesystem::path& core_folder, std::string_view core);

}  // namespace hnx::hyper
