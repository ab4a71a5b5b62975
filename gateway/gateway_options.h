// GatewayOptions: everything that `gateway serve` can be told, and the flags for it.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <CLI/CLI.hpp>

#include "access/access_options.h"
#include "base/result.h"
#include "hyper/drive/drive_key.h"
#include "nix/trusted_keys.h"
#include "swarm/swarm_options.h"

namespace hnx::gateway {

struct GatewayOptions {
  std::string listen = "127.0.0.1:8080";
  // A mirror in folders of this machine:
  std::vector<std::string> drives;  // that hold one folder per drive
  bool verify_reads = false;        // every byte before it is sent
  // hyper://KEY, or KEY, of its index drive; with `mirror`: "whole" or "sparse"
  std::string index;
  // Or a mirror from afar:
  std::string mirror;  // hyper://KEY, or KEY
  std::vector<std::string> peers;
  std::vector<std::string> listen_peers;
  swarm::SwarmOptions swarm;
  std::string cache;  // empty: one of its own for each mirror in the user's cache folder
  std::uint64_t cache_bytes = std::uint64_t{10} << 30;
  std::uint64_t index_bytes = std::uint64_t{4} << 30;
  std::vector<std::string> fallbacks;  // URLs of binary caches
  std::vector<std::string> trusted_public_keys{std::string(nix::kNixosCacheKey)};
  std::string proxy;
  std::string ca_file;
  int priority = 30;
  unsigned threads = 2;
  unsigned connections_max = 10'000;
  unsigned connections_per_address_max = 2'048;
  std::chrono::milliseconds idle_timeout{75'000};
  std::chrono::milliseconds refresh_interval{500};
  std::uint64_t narinfo_cache_bytes = std::uint64_t{256} << 20;
  std::uint64_t index_cache_bytes = std::uint64_t{64} << 20;
  // HOST:PORT of the mirror's coordinators, which are told what is asked for; empty: nobody is.
  std::vector<std::string> coordinators;
  access::ClientAccess access;  // of calls to them
  bool core_dumps = false;
};

void AddGatewayOptions(CLI::App& app, GatewayOptions& options);

// What the flags say together.
struct FarChoice {
  hyper::DriveKey key;
  bool index_whole = true;
  std::filesystem::path cache;
  bool swarm = false;
};
struct LocalChoice {
  hyper::DriveKey key;
};
// kInvalidArgument: they contradict each other, or one is missing.
Result<std::variant<LocalChoice, FarChoice>> ChooseMirror(const GatewayOptions& options);

// "hyper://KEY", "hyper://KEY/" or "KEY", in hexadecimal or z-base-32.
Result<hyper::DriveKey> ParseIndexKey(std::string_view text);

}  // namespace hnx::gateway
