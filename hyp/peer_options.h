// PeerOptions: how drives that are not in folders of this machine are read: from which peers, for
// how long, and where what was fetched is kept.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/result.h"
#include "swarm/swarm_options.h"

namespace hnx::hyp {

struct PeerOptions {
  std::vector<std::string> peers;  // HOST:PORT
  swarm::SwarmOptions swarm;
  std::string data;  // empty: see DataFolder()
  std::chrono::milliseconds timeout = std::chrono::seconds(30);

  // --peer, --swarm, --swarm-program, --swarm-bootstrap, --data, --timeout
  void AddTo(CLI::App& command);

  bool wants_swarm() const { return swarm.Wanted(!peers.empty()); }
  // Neither peers nor the swarm.
  bool wants_nobody() const { return peers.empty() && !wants_swarm(); }
  // --data, or hypercore-nixos in the user's cache folder. kFailedPrecondition: there is none.
  Result<std::filesystem::path> DataFolder() const;
};

}  // namespace hnx::hyp
