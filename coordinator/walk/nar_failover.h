// NarFailover: when a NAR cannot be had at the upstream that its path's narinfo came from (missing,
// damaged, or the host is down), asks the other upstreams for a narinfo of the same NAR, by the
// preference and the keys of each, before the path fails. At work only under the leader's lock.
#pragma once

#include <chrono>
#include <memory>
#include <random>
#include <vector>

#include "base/clock.h"
#include "base/service.h"
#include "coordinator/store/pg_elsewhere_store.h"
#include "coordinator/walk/walk_failure.h"
#include "coordinator/walk/walk_upstream.h"

namespace hnx::coordinator {

class NarFailover final : public LoopService {
 public:
  static constexpr std::chrono::milliseconds kIdleInterval{1'000};
  // How often what waits for a host that is down is looked at.
  static constexpr std::chrono::milliseconds kOutageInterval{5'000};

  // `client`, the stores and `leader` must outlive this. `claims`: holds this service's share of
  // the limits at each host.
  NarFailover(http::HttpClient& client, WalkStore& claims, PgElsewhereStore& store,
              const PgLeader& leader, const std::vector<UpstreamPolicy>& upstreams,
              const WalkFailureOptions& failures, const RetryPolicy& upstream_pauses,
              const Clock& clock = Clock::Real());
  ~NarFailover() override { Stop(); }
  NarFailover(const NarFailover&) = delete;
  NarFailover& operator=(const NarFailover&) = delete;

  // Asks for some paths, waits for the answers and saves them.
  std::chrono::milliseconds RunOnce() override;

 private:
  struct Reading;
  Result<std::chrono::milliseconds> Step();
  // The upstreams that can be asked now.
  Result<std::vector<UpstreamId>> Askable();
  std::shared_ptr<Reading> Ask(const std::vector<ElsewherePath>& paths);
  Result<ElsewhereAnswer> Judge(const ElsewherePath& asked, NarInfoAnswer answer,
                                Clock::SteadyTime asked_at);
  WalkUpstream& Find(UpstreamId id);

  PgElsewhereStore& store_;
  const PgLeader& leader_;
  const WalkFailureOptions failures_;
  const Clock& clock_;
  std::vector<std::unique_ptr<WalkUpstream>> upstreams_;
  Clock::SteadyTime next_outage_look_{};
  std::mt19937_64 random_{std::random_device{}()};
};

}  // namespace hnx::coordinator
