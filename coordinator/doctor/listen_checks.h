// Of `coordinator doctor`: whether its port is free, or held by a coordinator.
#pragma once

#include <string>

#include "access/access_options.h"
#include "cli/checkup.h"

namespace hnx::coordinator {

// Adds "listen": whether the port is free, and the door not open to a network. True: a coordinator
// answers there.
bool CheckListen(cli::Checkup& checkup, const std::string& address,
                 const access::ServerAccess& access);

}  // namespace hnx::coordinator
