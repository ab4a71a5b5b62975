// The commands below `coordinator failures`.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/program.h"

namespace hnx::coordinator {

void AddFailuresRetry(cli::Program& program, CLI::App& failures);
void AddFailuresIgnore(cli::Program& program, CLI::App& failures);

}  // namespace hnx::coordinator
