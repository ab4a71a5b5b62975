#include "hyp/peer_options.h"

#include "cli/option.h"
#include "cli/user_cache.h"

namespace hnx::hyp {

void PeerOptions::AddTo(CLI::App& command) {
  cli::AddOption(command, "--peer", peers,
                 "HOST:PORT of a peer that has the drive; may be given several times");
  swarm.AddTo(command);
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
  auto folder = cli::UserCacheFolder();
  if (!folder) {
    return folder.error().Annotate("say with --data where to keep what is fetched");
  }
  return folder;
}

}  // namespace hnx::hyp
