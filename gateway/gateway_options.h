// GatewayOptions: everything that `gateway serve` can be told, and the flags for it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/result.h"
#include "hyper/drive/drive_key.h"

namespace hnx::gateway {

struct GatewayOptions {
  std::string listen = "127.0.0.1:8080";
  std::vector<std::string> drives;  // folders that hold one folder per drive
  std::string index;                // hyper://KEY, or KEY
  int priority = 30;
  unsigned threads = 2;
  unsigned connections_max = 10'000;
  std::chrono::milliseconds idle_timeout{75'000};
  std::chrono::milliseconds refresh_interval{500};
  std::uint64_t narinfo_cache_bytes = std::uint64_t{256} << 20;
  std::uint64_t index_cache_bytes = std::uint64_t{64} << 20;
};

void AddGatewayOptions(CLI::App& app, GatewayOptions& options);

// "hyper://KEY", "hyper://KEY/" or "KEY", in hexadecimal or z-base-32.
Result<hyper::DriveKey> ParseIndexKey(std::string_view text);

}  // namespace hnx::gateway
