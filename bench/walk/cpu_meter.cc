#include "bench/walk/cpu_meter.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include <unistd.h>

namespace hnx::bench {
namespace {

double Seconds(std::uint64_t ticks) {
  return static_cast<double>(ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

struct ProcessTimes {
  pid_t parent = 0;
  std::uint64_t own = 0;
  std::uint64_t ended_children = 0;
};

// proc(5): after the command in parentheses come state, ppid, ..., utime is the 12th of these.
std::optional<ProcessTimes> ReadTimes(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/stat");
  std::string line;
  if (!std::getline(file, line) || line.rfind(')') == std::string::npos) {
    return std::nullopt;  // it has ended
  }
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  constexpr std::size_t kParent = 1;
  constexpr std::size_t kUser = 11;
  std::array<std::string, kUser + 4> values;
  for (std::string& value : values) {
    fields >> value;
  }
  return ProcessTimes{
      .parent = static_cast<pid_t>(std::stol(values[kParent])),
      .own = std::stoull(values[kUser]) + std::stoull(values[kUser + 1]),
      .ended_children = std::stoull(values[kUser + 2]) + std::stoull(values[kUser + 3])};
}

double ProcessSeconds(pid_t pid) {
  const auto times = ReadTimes(std::to_string(pid));
  return times ? Seconds(times->own) : 0;
}

double TreeSeconds(pid_t root) {
  const auto of_root = ReadTimes(std::to_string(root));
  if (!of_root) {
    return 0;
  }
  std::uint64_t ticks = of_root->own + of_root->ended_children;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (!std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; })) {
      continue;
    }
    const auto times = ReadTimes(name);
    if (times && times->parent == root) {
      ticks += times->own;
    }
  }
  return Seconds(ticks);
}

// user, nice, system, irq, softirq of the first line of /proc/stat.
double MachineSeconds() {
  std::ifstream file("/proc/stat");
  std::string label;
  std::array<std::uint64_t, 7> values{};
  file >> label;
  for (std::uint64_t& value : values) {
    file >> value;
  }
  return Seconds(values[0] + values[1] + values[2] + values[5] + values[6]);
}

}  // namespace

CpuMeter::CpuMeter(pid_t server, pid_t postmaster)
    : server_(server), postmaster_(postmaster), begin_(Now()) {}

CpuMeter::Moment CpuMeter::Now() const {
  return {.at = std::chrono::steady_clock::now(),
          .own = ProcessSeconds(::getpid()),
          .server = ProcessSeconds(server_),
          .postgres = TreeSeconds(postmaster_),
          .machine = MachineSeconds()};
}

CpuUse CpuMeter::Read() const {
  const Moment end = Now();
  CpuUse use{.wall = std::chrono::duration<double>(end.at - begin_.at).count(),
             .own = end.own - begin_.own,
             .server = end.server - begin_.server,
             .postgres = end.postgres - begin_.postgres};
  use.others = std::max(0.0, end.machine - begin_.machine - use.own - use.server - use.postgres);
  return use;
}

}  // namespace hnx::bench
