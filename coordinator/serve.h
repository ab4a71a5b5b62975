// The commands of `coordinator` that run on the server's side.
#pragma once

#include "cli/exit_code.h"
#include "cli/stop_signal.h"
#include "coordinator/serve_options.h"

namespace hnx::coordinator {

cli::ExitCode Serve(const ServeOptions& options, cli::StopSignal& stop);
cli::ExitCode RunMigrate(const MigrateOptions& options);

}  // namespace hnx::coordinator
