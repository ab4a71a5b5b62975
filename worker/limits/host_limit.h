// What the coordinator lets this worker do at one upstream host, and what the worker makes of it:
// the protocol's HostLimit and HostUse as plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace hnx::worker {

struct HostLimit {
  std::string host{};
  bool limits_bytes = false;
  std::uint64_t bytes_per_second = 0;  // 0 of a limited host: none for now
  bool limits_requests = false;
  double requests_per_second = 0;
  std::uint32_t transfers_max = 0;  // 0: no limit
  std::chrono::milliseconds pause{0};
  std::chrono::milliseconds valid{0};
};

struct HostUse {
  std::string host;
  std::uint64_t bytes_per_second = 0;
  double requests_per_second = 0;
  std::uint32_t transfers_max = 0;
  std::uint32_t window = 0;
};

// "http://Host:80/x" -> "host:80"; empty for a file.
std::string HostOfUrl(std::string_view url);

}  // namespace hnx::worker
