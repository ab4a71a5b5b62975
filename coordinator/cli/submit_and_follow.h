// Hands a submission to the coordinator and tells, or shows, what becomes of it.
#pragma once

#include "base/result.h"
#include "cli/exit_code.h"
#include "coordinator/cli/coordinator_client.h"

namespace hnx::coordinator {

// With `wait` it returns when the release is over, with its exit status; without, when it is
// queued. Writes to stdout.
Result<cli::ExitCode> SubmitAndFollow(const ClientOptions& options,
                                      const pb::Submission& submission, const ListSource& list,
                                      bool wait);

}  // namespace hnx::coordinator
