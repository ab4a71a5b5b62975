#include "coordinator/domain/host_share.h"

#include <algorithm>

namespace hnx::coordinator {
namespace {

// Of a limit for all, what one of `holders` may have when the others hold `held`.
double PartOf(double limit, std::uint32_t holders, double held) {
  return std::max(0.0, std::min(limit / holders, limit - held));
}

}  // namespace

HostShare ShareOut(const HostLimits& limits, const OtherShares& others) {
  const std::uint32_t holders = others.holders + 1;
  HostShare share;
  share.bytes_per_second =
      static_cast<std::uint64_t>(PartOf(static_cast<double>(limits.bytes_per_second), holders,
                                        static_cast<double>(others.held.bytes_per_second)));
  share.requests_per_second =
      PartOf(limits.requests_per_second, holders, others.held.requests_per_second);
  // Transfers come whole: with more users than transfers some wait until others are done.
  const std::uint32_t even =
      limits.transfers_max == 0 ? 0 : std::max(1U, limits.transfers_max / holders);
  const std::uint32_t left =
      limits.transfers_max - std::min(limits.transfers_max, others.held.transfers);
  share.transfers = std::min(even, left);
  return share;
}

HostShare LargerOf(const HostShare& a, const HostShare& b) {
  return {.bytes_per_second = std::max(a.bytes_per_second, b.bytes_per_second),
          .requests_per_second = std::max(a.requests_per_second, b.requests_per_second),
          .transfers = std::max(a.transfers, b.transfers)};
}

}  // namespace hnx::coordinator
