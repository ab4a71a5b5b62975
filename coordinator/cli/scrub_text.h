// How the scrub of a drive is told, in a line and in JSON.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "hypercore_nixos/v1/coordinator.pb.h"

namespace hnx::coordinator {

// "last scrubbed 2026-11-28 14:03:12: 120 blocks, 4 NARs, 2 damaged, 2 repaired"
std::string ScrubText(const hypercore_nixos::v1::ScrubStatus& scrub);
nlohmann::ordered_json ToJson(const hypercore_nixos::v1::ScrubStatus& scrub);

}  // namespace hnx::coordinator
