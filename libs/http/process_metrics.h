// What every program tells of itself, under the names that Prometheus' own clients use:
// process_cpu_seconds_total, process_resident_memory_bytes, process_virtual_memory_bytes,
// process_open_fds, process_max_fds, process_start_time_seconds; and hnx_build_info, which is 1 and
// bears the program's name and version. Read from /proc (proc(5)) when somebody asks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/metrics.h"

namespace hnx::http {

void RegisterProcessMetrics(MetricsRegistry& metrics, const std::string& program,
                            const std::string& version);

// Of /proc/PID/stat.
struct ProcessStat {
  std::uint64_t cpu_ticks = 0;    // user and system
  std::uint64_t start_ticks = 0;  // since boot
  std::uint64_t virtual_bytes = 0;
  std::uint64_t resident_pages = 0;
};
// The name in it may hold anything, blanks and parentheses too. Nothing: not such a line.
std::optional<ProcessStat> ParseProcessStat(std::string_view line);

}  // namespace hnx::http
