// `coordinator make-token`: a token for a caller, and the line by which a coordinator knows it.
#pragma once

#include "cli/program.h"

namespace hnx::coordinator {

void AddMakeTokenCommand(cli::Program& program);

}  // namespace hnx::coordinator
