// Of `gateway doctor`: the mirror that is to be served, in folders of this machine or at peers.
#pragma once

#include <chrono>

#include "cli/checkup.h"
#include "gateway/gateway_options.h"

namespace hnx::gateway {

// Adds "drives", "index" and "shards".
void CheckFolders(cli::Checkup& checkup, const GatewayOptions& options,
                  const hyper::DriveKey& index);

// Adds "swarm", "peer" for each that is named, and "index". Reads the index from each of them
// alone, as far as its newest version, for at most `patience`, and keeps nothing.
void CheckPeers(cli::Checkup& checkup, const GatewayOptions& options, const FarChoice& choice,
                std::chrono::milliseconds patience);

}  // namespace hnx::gateway
