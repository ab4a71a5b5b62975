// Named instructions at which a test can have the process killed, as by kill -9. In production the
// environment variable is unset and a crash point costs one load and one branch.
//
//   HNX_CRASH_AT=worker.after_commit:3      die at the third pass of that point
//   HNX_CRASH_AT=walk.after_save,walk.after_finish:2
//                                           of several, die at whichever comes first
//   HNX_CRASH_LOG=FILE                      append "<name>\n" when dying there
#pragma once

#include <string_view>

namespace hnx {

void CrashPoint(std::string_view name);

}  // namespace hnx
