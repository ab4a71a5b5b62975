#include "base/crash_point.h"

#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <list>
#include <string>

#include <fcntl.h>
#include <unistd.h>

namespace hnx {
namespace {

struct Target {
  explicit Target(std::string_view text) {
    const std::size_t colon = text.find(':');
    name = text.substr(0, colon);
    if (colon != std::string_view::npos) {
      int passes = 1;
      const std::string_view digits = text.substr(colon + 1);
      std::from_chars(digits.data(), digits.data() + digits.size(), passes);
      passes_left = passes;
    }
  }

  std::string name;
  std::atomic<int> passes_left{1};
};

struct Plan {
  std::list<Target> targets;
  std::string log_file;

  Plan() {
    const char* at = std::getenv(
        "HNX_CRASH_AT");  // NOLINT(concurrency-mt-unsafe): read once, under a static's lock
    std::string_view left = at == nullptr ? "" : at;
    while (!left.empty()) {
      const std::size_t comma = left.find(',');
      targets.emplace_back(left.substr(0, comma));
      left.remove_prefix(comma == std::string_view::npos ? left.size() : comma + 1);
    }
    const char* log = std::getenv("HNX_CRASH_LOG");  // NOLINT(concurrency-mt-unsafe): as above
    log_file = log == nullptr ? "" : log;
  }
};

Plan& ThePlan() {
  static Plan plan;
  return plan;
}

}  // namespace

void CrashPoint(std::string_view name) {
  Plan& plan = ThePlan();
  for (Target& target : plan.targets) {
    if (target.name != name || --target.passes_left != 0) {
      continue;
    }
    if (!plan.log_file.empty()) {
      const int fd = ::open(plan.log_file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
      const std::string line = target.name + "\n";
      (void)!::write(fd, line.data(), line.size());
      (void)::close(fd);
    }
    (void)::kill(::getpid(), SIGKILL);
  }
}

}  // namespace hnx
