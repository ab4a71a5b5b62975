// Of `coordinator doctor`: an upstream as it answers now, and whether its narinfos are signed with
// keys that are believed.
#pragma once

#include <string>

#include "base/clock.h"
#include "cli/checkup.h"
#include "coordinator/upstream/upstream_set.h"
#include "doctor/cache_checks.h"
#include "http/http_client.h"

namespace hnx::coordinator {

// Adds "upstream", "upstream-clock", "http2" and "signatures". Blocks for the answers.
void CheckUpstream(cli::Checkup& checkup, http::HttpClient& client, const Upstream& upstream,
                   const doctor::SignatureProbe& probe, const Clock& clock);

// Adds "channels": whether the server of channels answers at all.
void CheckChannelServer(cli::Checkup& checkup, http::HttpClient& client, const std::string& url);

}  // namespace hnx::coordinator
