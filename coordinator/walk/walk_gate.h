// WalkGate: keeps a walk's requests within its share of the cluster's limits at the upstream's
// host. One thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "coordinator/domain/host_share.h"
#include "http/rate_limiter.h"

namespace hnx::coordinator {

class WalkGate {
 public:
  // `clock` must outlive this.
  explicit WalkGate(const Clock& clock) : clock_(clock), bytes_(clock), requests_(clock) {}

  // From the answer to a claim made at `asked_at`.
  void Apply(const HostAllowance& allowance, Clock::SteadyTime asked_at);
  // What is in force now.
  HostUseReport Use(std::size_t under_way) const;

  // A further request may go out while `under_way` are.
  bool MayAsk(std::size_t under_way);
  // Until it makes sense to look again; zero when MayAsk.
  std::chrono::milliseconds Wait();
  // Nothing is left for us: claim again soon.
  bool starved() const;

  void OnAsked();
  void OnBytes(std::uint64_t bytes) { (void)bytes_.Take(bytes); }

 private:
  const Clock& clock_;
  HostAllowance allowance_{.host = {}, .limits = {}, .share = {}};
  Clock::SteadyTime valid_until_{};
  http::RateLimiter bytes_;
  http::RateLimiter requests_;
};

}  // namespace hnx::coordinator
