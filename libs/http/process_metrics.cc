#include "http/process_metrics.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

namespace hnx::http {
namespace {

double TicksPerSecond() {
  return static_cast<double>(::sysconf(_SC_CLK_TCK));
}

ProcessStat ReadStat() {
  std::ifstream file("/proc/self/stat");
  const std::string line{std::istreambuf_iterator<char>(file), {}};
  return ParseProcessStat(line).value_or(ProcessStat{});
}

double BootTime() {
  std::ifstream file("/proc/stat");
  std::string word;
  while (file >> word) {
    double seconds = 0;
    if (word == "btime" && file >> seconds) {
      return seconds;
    }
  }
  return 0;
}

double OpenFiles() {
  std::error_code error;
  std::filesystem::directory_iterator entry("/proc/self/fd", error);
  double count = 0;
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    ++count;
  }
  return std::max(0.0, count - 1);  // that of the reading itself
}

double OpenFilesMax() {
  rlimit files{};
  return ::getrlimit(RLIMIT_NOFILE, &files) == 0 ? static_cast<double>(files.rlim_cur) : 0;
}

}  // namespace

std::optional<ProcessStat> ParseProcessStat(std::string_view line) {
  // Counted from the field behind the name, which is the third of proc(5).
  constexpr std::size_t kUserTicks = 11;
  constexpr std::size_t kSystemTicks = 12;
  constexpr std::size_t kStartTicks = 19;
  constexpr std::size_t kVirtualBytes = 20;
  constexpr std::size_t kResidentPages = 21;
  const std::size_t name_end = line.rfind(')');
  if (name_end == std::string_view::npos) {
    return std::nullopt;
  }
  std::vector<std::string_view> fields;
  for (std::size_t at = name_end + 1; at < line.size();) {
    const std::size_t end = std::min(line.find_first_of(" \n", at), line.size());
    if (end > at) {
      fields.push_back(line.substr(at, end - at));
    }
    at = end + 1;
  }
  if (fields.size() <= kResidentPages) {
    return std::nullopt;
  }
  bool good = true;
  const auto number = [&](std::size_t index) {
    std::uint64_t value = 0;
    const char* const end = fields[index].data() + fields[index].size();
    const auto parsed = std::from_chars(fields[index].data(), end, value);
    good = good && parsed.ec == std::errc() && parsed.ptr == end;
    return value;
  };
  ProcessStat stat;
  stat.cpu_ticks = number(kUserTicks) + number(kSystemTicks);
  stat.start_ticks = number(kStartTicks);
  stat.virtual_bytes = number(kVirtualBytes);
  stat.resident_pages = number(kResidentPages);
  return good ? std::optional(stat) : std::nullopt;
}

void RegisterProcessMetrics(MetricsRegistry& metrics, const std::string& program,
                            const std::string& version) {
  metrics
      .Gauge("hnx_build_info", "1, of the program and version that its labels name",
             {{"program", program}, {"version", version}})
      .Set(1);
  metrics.Gauge("process_start_time_seconds", "When this process began, in seconds since 1970")
      .Set(BootTime() + static_cast<double>(ReadStat().start_ticks) / TicksPerSecond());
  metrics.CounterFunction("process_cpu_seconds_total", "CPU time of this process", [] {
    return static_cast<double>(ReadStat().cpu_ticks) / TicksPerSecond();
  });
  metrics.GaugeFunction("process_resident_memory_bytes", "Memory of this process", [] {
    return static_cast<double>(ReadStat().resident_pages) *
           static_cast<double>(::sysconf(_SC_PAGESIZE));
  });
  metrics.GaugeFunction("process_virtual_memory_bytes", "Addresses that this process has mapped",
                        [] { return static_cast<double>(ReadStat().virtual_bytes); });
  metrics.GaugeFunction("process_open_fds", "Files and sockets that this process has open",
                        &OpenFiles);
  metrics.GaugeFunction("process_max_fds", "How many it may have open", &OpenFilesMax);
}

}  // namespace hnx::http
