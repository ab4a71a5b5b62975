// Exit codes, the same in every program; help texts list them.
#pragma once

namespace hnx::cli {

enum class ExitCode : int {
  kOk = 0,
  kFailure = 1,
  kUsage = 2,          // the command line, environment or configuration file is wrong
  kPartial = 3,        // done, but something was left out and is listed
  kUnreachable = 4,    // nobody who could give what is asked for answered in time
  kInterrupted = 130,  // Ctrl-C, as shells say it
};

// What every command's help says below its options.
inline constexpr const char* kExitCodesHelp =
    "Exit codes:\n"
    "  0  done\n"
    "  1  failed; the message says what to do\n"
    "  2  wrong use: command line, environment or configuration file\n"
    "  3  done in part: what was left out is listed with its reason\n"
    "  4  nobody who could give it answered in time\n";

}  // namespace hnx::cli
