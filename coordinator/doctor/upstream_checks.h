// Of `coordinator doctor`: an upstream as it answers now, and whether its narinfos are signed with
// keys that are believed.
#pragma once

#include <string>

#include "base/clock.h"
#include "cli/checkup.h"
#include "coordinator/upstream/upstream_set.h"
#include "http/http_client.h"
#include "nix/trusted_keys.h"

namespace hnx::coordinator {

struct UpstreamProbe {
  // Hash part of a path that it has; empty: none is known.
  std::string path_hash;
  nix::TrustPolicy trust{};
  std::uint64_t nar_size_max = 0;
};

// Adds "upstream", "upstream-clock", "http2" and "signatures". Blocks for the answers.
void CheckUpstream(cli::Checkup& checkup, http::HttpClient& client, const Upstream& upstream,
                   const UpstreamProbe& probe, const Clock& clock);

// Adds "channels": whether the server of channels answers at all.
void CheckChannelServer(cli::Checkup& checkup, http::HttpClient& client, const std::string& url);

}  // namespace hnx::coordinator
