// Of `coordinator doctor`: whether its ports are free, or held by a coordinator.
#pragma once

#include <string>

#include "cli/checkup.h"

namespace hnx::coordinator {

// Adds "listen". True: a coordinator answers there.
bool CheckListen(cli::Checkup& checkup, const std::string& address);

// Adds "listen-http"; with a coordinator that runs it may be that one's.
void CheckListenHttp(cli::Checkup& checkup, const std::string& address, bool coordinator_runs);

}  // namespace hnx::coordinator
