// What --json prints. The keys are those of the proto, states in small letters; they are an
// interface: keys are added, never renamed.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "hypercore_nixos/v1/coordinator.pb.h"

namespace hnx::coordinator {

// "mirroring"
std::string ReleaseStateName(hypercore_nixos::v1::ReleaseState state);

nlohmann::ordered_json ToJson(const hypercore_nixos::v1::Release& release);
nlohmann::ordered_json ToJson(const hypercore_nixos::v1::WorkerStatus& worker);
nlohmann::ordered_json ToJson(const hypercore_nixos::v1::Status& status);
nlohmann::ordered_json ToJson(const hypercore_nixos::v1::Failure& failure);
nlohmann::ordered_json ToJson(const hypercore_nixos::v1::ReleaseDifference& difference);

}  // namespace hnx::coordinator
