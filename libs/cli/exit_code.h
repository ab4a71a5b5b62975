// Exit codes, the same in every program. Each command says which of them it ends with
// (Program::AddCommand); its help and its manual list those, and a test provokes each.
#pragma once

#include <array>
#include <span>
#include <string>

#include "base/result.h"

namespace hnx::cli {

enum class ExitCode : int {
  kOk = 0,
  kFailure = 1,
  kUsage = 2,          // the command line, environment or configuration file is wrong
  kPartial = 3,        // done, but something was left out and is listed
  kUnreachable = 4,    // nobody who could give what is asked for answered in time
  kSuperseded = 5,     // a newer process of the same worker took over
  kInterrupted = 130,  // Ctrl-C, as shells say it
};

// In ascending order.
inline constexpr std::array kAllExits{
    ExitCode::kOk,          ExitCode::kFailure,    ExitCode::kUsage,      ExitCode::kPartial,
    ExitCode::kUnreachable, ExitCode::kSuperseded, ExitCode::kInterrupted};
// Of a command that only prints what it knows.
inline constexpr std::array kPrintingExits{ExitCode::kOk, ExitCode::kUsage};
// Of a command that needs nobody else.
inline constexpr std::array kLocalExits{ExitCode::kOk, ExitCode::kFailure, ExitCode::kUsage};
// Of a `doctor`: kFailure is a fault, kPartial only warnings.
inline constexpr std::array kCheckingExits{ExitCode::kOk, ExitCode::kFailure, ExitCode::kUsage,
                                           ExitCode::kPartial};
// Of one that asks somebody.
inline constexpr std::array kAskingExits{ExitCode::kOk, ExitCode::kFailure, ExitCode::kUsage,
                                         ExitCode::kUnreachable};
// Of one that asks, and waits for an end that may take long.
inline constexpr std::array kWaitingExits{ExitCode::kOk, ExitCode::kFailure, ExitCode::kUsage,
                                          ExitCode::kUnreachable, ExitCode::kInterrupted};
// The same of one that may leave something out.
inline constexpr std::array kLongExits{ExitCode::kOk,          ExitCode::kFailure,
                                       ExitCode::kUsage,       ExitCode::kPartial,
                                       ExitCode::kUnreachable, ExitCode::kInterrupted};

// kUsage: the arguments are wrong; kUnreachable: the time was over; kInterrupted: cancelled; else
// kFailure.
ExitCode ExitCodeOf(const Error& error);
// "wrong use: command line, environment or configuration file"
const char* MeaningOf(ExitCode code);
// What help says below the options: a heading, and a line each.
std::string ExitCodesHelp(std::span<const ExitCode> codes);

}  // namespace hnx::cli
