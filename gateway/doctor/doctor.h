// `gateway doctor`: looks at everything that `gateway serve` with the same options needs, changes
// nothing, and names each fault with its remedy.
#pragma once

#include <chrono>
#include <string>

#include <CLI/CLI.hpp>

#include "cli/exit_code.h"
#include "gateway/gateway_options.h"

namespace hnx::gateway {

struct DoctorOptions {
  GatewayOptions serve;
  std::string path;  // that the fallbacks have; empty: their signatures are not looked at
  std::chrono::milliseconds patience{15'000};
  bool json = false;
};

void AddDoctorOptions(CLI::App& command, DoctorOptions& options);

cli::ExitCode RunDoctor(const DoctorOptions& options);

}  // namespace hnx::gateway
