// Named instructions at which a test can have the process killed, as by kill -9. In production the
// environment variable is unset and a crash point costs one load and one branch.
//
//   HNX_CRASH_AT=worker.after_data_sync:3   die at the third pass of that point
//   HNX_CRASH_LOG=FILE                      append "<name>\n" when dying there
#pragma once

#include <string_view>

namespace hnx {

void CrashPoint(std::string_view name);

}  // namespace hnx
