// Of the `doctor` commands: whether the coordinators that a program calls answer.
#pragma once

#include <string>
#include <vector>

#include "access/access_options.h"
#include "cli/checkup.h"

namespace hnx::doctor {

// Adds "coordinator". Blocks for the answers. `endpoints`: HOST:PORT each, at least one.
void CheckCoordinators(cli::Checkup& checkup, const std::vector<std::string>& endpoints,
                       const access::ClientAccess& access);

}  // namespace hnx::doctor
