#include "hyp/peer_options.h"

#include "cli/environment.h"
#include "cli/option.h"

namespace hnx::hyp {

void PeerOptions::AddTo(CLI::App& command) {
  cli::AddOption(command, "--peer", peers,
                 "HOST:PORT of a peer that has the drive; may be given several times");
  cli::AddOption(
      command, "--swarm", swarm,
      "auto: find peers in the swarm unless some are named with --peer; off; or the path "
      "of a Unix socket on which bridges (swarm --socket PATH) are let in");
  cli::AddOption(command, "--swarm-program", swarm_program,
                 "The bridge's swarm.mjs, started with node when it is needed; by default that of "
                 "this installation");
  cli::AddOption(command, "--swarm-bootstrap", swarm_bootstrap,
                 "HOST:PORT of a node of another DHT than the public one; may be given several "
                 "times");
  cli::AddOption(command, "--data", data,
                 "Folder for what is fetched, so that it is fetched once; by default "
                 "hypercore-nixos in $XDG_CACHE_HOME or ~/.cache");
  cli::AddDuration(
      command, "--timeout", timeout,
      "How long to look for somebody who has the drive, and to wait for each next part "
      "of a file");
}

Result<std::filesystem::path> PeerOptions::DataFolder() const {
  if (!data.empty()) {
    return std::filesystem::path(data);
  }
  constexpr const char* kName = "hypercore-nixos";
  if (const auto cache = cli::EnvironmentVariable("XDG_CACHE_HOME")) {
    return std::filesystem::path(*cache) / kName;
  }
  if (const auto home = cli::EnvironmentVariable("HOME")) {
    return std::filesystem::path(*home) / ".cache" / kName;
  }
  return FailedPrecondition(
      "neither HOME nor XDG_CACHE_HOME is set; say with --data where to keep what is fetched");
}

}  // namespace hnx::hyp
