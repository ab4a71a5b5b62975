// `why --json`. Its form is docs/schemas/coordinator-why.schema.json: a field may be added, none
// changes.
#pragma once

#include <nlohmann/json.hpp>

#include "hypercore_nixos/v1/coordinator.pb.h"

namespace hnx::coordinator {

nlohmann::ordered_json ToJson(const hypercore_nixos::v1::WhyResponse& why);

}  // namespace hnx::coordinator
