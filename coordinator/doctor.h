// `coordinator doctor`: looks at everything that `coordinator serve` with the same options needs,
// changes nothing, and names each fault with its remedy.
#pragma once

#include <cstdint>
#include <string>

#include <CLI/CLI.hpp>

#include "cli/exit_code.h"
#include "coordinator/serve_options.h"

namespace hnx::coordinator {

struct DoctorOptions {
  ServeOptions serve;
  std::string path;  // that the upstreams have
  std::uint64_t disk_free_min = std::uint64_t{1} << 30;
  bool json = false;
};

void AddDoctorOptions(CLI::App& command, DoctorOptions& options);

cli::ExitCode RunDoctor(const DoctorOptions& options);

}  // namespace hnx::coordinator
