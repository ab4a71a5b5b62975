#include "coordinator/walk/walk_gate.h"

#include <algorithm>

namespace hnx::coordinator {
namespace {

using std::chrono::milliseconds;

// RateLimiter counts whole numbers: thousandths of a request.
constexpr double kMilli = 1000;
constexpr milliseconds kStarvedWait{100};

}  // namespace

void WalkGate::Apply(const HostAllowance& allowance, Clock::SteadyTime asked_at) {
  allowance_ = allowance;
  valid_until_ = asked_at + allowance.valid;
  bytes_.SetRate(allowance.limits.bytes_per_second > 0 ? allowance.share.bytes_per_second : 0);
  requests_.SetRate(allowance.limits.requests_per_second > 0
                        ? static_cast<std::uint64_t>(allowance.share.requests_per_second * kMilli)
                        : 0);
}

HostUseReport WalkGate::Use(std::size_t under_way) const {
  const auto running = static_cast<std::uint32_t>(under_way);
  HostUseReport use{.host = allowance_.host, .share = allowance_.share, .window = running};
  if (allowance_.limits.transfers_max > 0) {
    // Those that began under an earlier, larger share count until they end.
    use.share.transfers = std::max(use.share.transfers, running);
  }
  return use;
}

bool WalkGate::starved() const {
  const HostLimits& limits = allowance_.limits;
  const HostShare& share = allowance_.share;
  return limits.any() && (clock_.Steady() >= valid_until_ ||
                          (limits.bytes_per_second > 0 && share.bytes_per_second == 0) ||
                          (limits.requests_per_second > 0 && share.requests_per_second <= 0) ||
                          (limits.transfers_max > 0 && share.transfers == 0));
}

milliseconds WalkGate::Wait() {
  return starved() ? kStarvedWait : std::max(bytes_.Wait(), requests_.Wait());
}

bool WalkGate::MayAsk(std::size_t under_way) {
  const bool full = allowance_.limits.transfers_max > 0 && under_way >= allowance_.share.transfers;
  return !full && Wait().count() == 0;
}

void WalkGate::OnAsked() {
  (void)requests_.Take(static_cast<std::uint64_t>(kMilli));
}

}  // namespace hnx::coordinator
