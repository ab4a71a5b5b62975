// Shows a release's progress until it is over.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "coordinator/cli/coordinator_client.h"

namespace hnx::coordinator {

// Bars or lines on stderr; with --json each state on stdout. The last state.
Result<pb::Release> WatchRelease(CoordinatorClient& client, const ClientOptions& options,
                                 std::uint64_t release_id, bool plan_only);

}  // namespace hnx::coordinator
