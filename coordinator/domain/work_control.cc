#include "coordinator/domain/work_control.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

namespace hnx::coordinator {

std::string HostOfUpstream(std::string_view url_or_host) {
  const std::size_t scheme = url_or_host.find("://");
  std::string_view host =
      scheme == std::string_view::npos ? url_or_host : url_or_host.substr(scheme + 3);
  host = host.substr(0, host.find('/'));
  std::string lower(host);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

Result<void> CheckPriority(int priority) {
  if (priority < -kPriorityMax || priority > kPriorityMax) {
    return InvalidArgument(
        fmt::format("a priority is between -{} and {}", kPriorityMax, kPriorityMax));
  }
  return {};
}

Result<void> CheckMayPause(std::int64_t release, std::string_view state) {
  if (state == "settled" || state == "refused" || state == "cancelled") {
    return FailedPrecondition(
        fmt::format("release {} is {}: there is nothing to pause", release, state));
  }
  return {};
}

Result<void> CheckMayCancel(std::int64_t release, std::string_view state, bool settling) {
  if (state == "settled" || state == "refused") {
    return FailedPrecondition(
        fmt::format("release {} is {}: there is nothing to cancel", release, state));
  }
  if (settling && state == "mirroring") {
    return FailedPrecondition(fmt::format(
        "everything of release {} is done and its manifest is being published: too late to cancel",
        release));
  }
  return {};
}

Result<void> CheckMayRetry(std::int64_t release, std::string_view state, bool planning) {
  if (state == "refused" || state == "cancelled") {
    return FailedPrecondition(
        fmt::format("release {} is {}: submit it again instead", release, state));
  }
  if (planning) {
    return Unavailable(fmt::format("release {} is being planned; try again in a moment", release));
  }
  return {};
}

}  // namespace hnx::coordinator
