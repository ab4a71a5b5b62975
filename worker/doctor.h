// `worker doctor`: looks at everything that `worker run` with the same options needs, changes
// nothing, and names each fault with its remedy.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/exit_code.h"
#include "worker/worker_options.h"

namespace hnx::worker {

struct DoctorOptions {
  WorkerOptions run;
  bool json = false;
};

void AddDoctorOptions(CLI::App& command, DoctorOptions& options);

cli::ExitCode RunDoctor(DoctorOptions options);

}  // namespace hnx::worker
