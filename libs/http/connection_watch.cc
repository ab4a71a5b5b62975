#include "http/connection_watch.h"

#include <algorithm>

#include <sys/resource.h>

#include "base/log.h"

namespace hnx::http {
namespace {

constexpr std::chrono::milliseconds kIntervalMax{1'000};
constexpr int kLooksPerWait = 4;

std::size_t ConnectionsMax(unsigned wanted) {
  constexpr rlim_t kOtherDescriptors = 128;
  constexpr std::size_t kConnectionsMin = 16;
  rlimit descriptors{};
  if (::getrlimit(RLIMIT_NOFILE, &descriptors) != 0 || descriptors.rlim_cur == RLIM_INFINITY) {
    return wanted;
  }
  const rlim_t left = descriptors.rlim_cur - std::min(descriptors.rlim_cur, kOtherDescriptors);
  const auto possible = std::max(kConnectionsMin, static_cast<std::size_t>(left / 2));
  if (possible < wanted) {
    Log("http")->warn(
        "at most {} connections, not {}: {} open files are allowed (ulimit -n, LimitNOFILE=)",
        possible, wanted, static_cast<std::uint64_t>(descriptors.rlim_cur));
  }
  return std::min<std::size_t>(possible, wanted);
}

}  // namespace

ConnectionLimits LimitsOf(const HttpServerOptions& options) {
  ConnectionLimits limits;
  limits.connections_max = ConnectionsMax(options.connections_max);
  limits.per_address_max = options.connections_per_address_max;
  limits.wait_max = options.idle_timeout;
  limits.answer_window = options.idle_timeout;
  limits.answer_bytes_min = options.answer_bytes_min;
  return limits;
}

ConnectionWatch::ConnectionWatch(ConnectionTable& table, std::chrono::milliseconds wait_max)
    : LoopService("http-watch"),
      table_(table),
      interval_(wait_max.count() == 0 ? kIntervalMax
                                      : std::min(kIntervalMax, wait_max / kLooksPerWait)) {}

std::chrono::milliseconds ConnectionWatch::RunOnce() {
  table_.EndLate(Clock::Real().Steady());
  return interval_;
}

}  // namespace hnx::http
