// Shows the progress of releases until they are over.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "cli/exit_code.h"
#include "coordinator/cli/coordinator_client.h"

namespace hnx::coordinator {

// Bars or lines on stderr; with --json each state on stdout. The last state.
Result<pb::Release> WatchRelease(CoordinatorClient& client, const ClientOptions& options,
                                 std::uint64_t release_id, bool plan_only);

// All that are at work, until none is: what `status` lists of them. How each ended goes to stdout.
// kFailure: one was not settled; kPartial: one lacks something. kNotFound: nothing is at work.
Result<cli::ExitCode> WatchWork(CoordinatorClient& client, const ClientOptions& options);

}  // namespace hnx::coordinator
