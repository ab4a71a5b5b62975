#include "cli/exit_code.h"

#include <fmt/format.h>

namespace hnx::cli {

ExitCode ExitCodeOf(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
      return ExitCode::kUsage;
    case ErrorCode::kDeadlineExceeded:
      return ExitCode::kUnreachable;
    case ErrorCode::kCancelled:
      return ExitCode::kInterrupted;
    default:
      return ExitCode::kFailure;
  }
}

const char* MeaningOf(ExitCode code) {
  switch (code) {
    case ExitCode::kOk:
      return "done";
    case ExitCode::kFailure:
      return "failed; the message says what to do";
    case ExitCode::kUsage:
      return "wrong use: command line, environment or configuration file";
    case ExitCode::kPartial:
      return "done in part: what was left out is listed with its reason";
    case ExitCode::kUnreachable:
      return "nobody who could give it answered in time";
    case ExitCode::kSuperseded:
      return "a newer process of this worker took over (a restart, or a copied --data)";
    case ExitCode::kInterrupted:
      return "interrupted (Ctrl-C)";
  }
  return "";
}

std::string ExitCodesHelp(std::span<const ExitCode> codes) {
  std::string help = "Exit codes:\n";
  for (const ExitCode code : codes) {
    help += fmt::format("  {:>3}  {}\n", static_cast<int>(code), MeaningOf(code));
  }
  return help;
}

}  // namespace hnx::cli
