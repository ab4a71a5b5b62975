// What `why` tells people.
#pragma once

#include <string>

#include "hypercore_nixos/v1/coordinator.pb.h"

namespace hnx::coordinator {

std::string WhyText(const hypercore_nixos::v1::WhyResponse& why);

}  // namespace hnx::coordinator
