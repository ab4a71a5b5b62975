// What people and programs read about a channel that is followed.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "cli/table.h"
#include "hypercore_nixos/v1/coordinator.pb.h"

namespace hnx::coordinator {

nlohmann::ordered_json ToJson(const hypercore_nixos::v1::ChannelStatus& channel);
// "current", "behind", "waiting" (nothing was seen or mirrored yet), "failing", "not followed"
std::string FreshnessWord(const hypercore_nixos::v1::ChannelStatus& channel);
cli::Table ChannelTable();
void AddChannel(const hypercore_nixos::v1::ChannelStatus& channel, cli::Table& table);

}  // namespace hnx::coordinator
