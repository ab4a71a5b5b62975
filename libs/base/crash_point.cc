#include "base/crash_point.h"

#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <unistd.h>

namespace hnx {
namespace {

struct Plan {
  std::string name;
  std::atomic<int> passes_left{1};
  std::string log_file;

  Plan() {
    const char* at = std::getenv(
        "HNX_CRASH_AT");  // NOLINT(concurrency-mt-unsafe): read once, under a static's lock
    if (at == nullptr) {
      return;
    }
    const std::string_view text(at);
    const std::size_t colon = text.find(':');
    name = text.substr(0, colon);
    if (colon != std::string_view::npos) {
      int passes = 1;
      const std::string_view digits = text.substr(colon + 1);
      std::from_chars(digits.data(), digits.data() + digits.size(), passes);
      passes_left = passes;
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
  if (plan.name.empty() || plan.name != name || --plan.passes_left != 0) {
    return;
  }
  if (!plan.log_file.empty()) {
    const int fd = ::open(plan.log_file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    const std::string line = plan.name + "\n";
    (void)!::write(fd, line.data(), line.size());
    (void)::close(fd);
  }
  (void)::kill(::getpid(), SIGKILL);
}

}  // namespace hnx
