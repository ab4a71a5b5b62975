// What a process that holds keys owes to them.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace hnx::cli {

// --core-dumps: the process does without ForbidCoreDumps(). `held`: the secrets that a dump has.
void AddCoreDumps(CLI::App& app, bool& allowed, const std::string& held);

// From now on this process leaves no core dump, and no other one of its user may read its memory.
// Its children may be read again once they have become other programs.
void ForbidCoreDumps();

}  // namespace hnx::cli
