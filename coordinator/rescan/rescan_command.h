// The command `coordinator rescan`.
#pragma once

#include "cli/program.h"

namespace hnx::coordinator {

void AddRescanCommand(cli::Program& program);

}  // namespace hnx::coordinator
