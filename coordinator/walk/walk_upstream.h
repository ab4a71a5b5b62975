// WalkUpstream: one upstream as those see it who read narinfos from it: whether it may be asked
// now, how many answers may be on their way, and how it has been lately. Lives longer than a
// release's walk. One thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "base/retry_policy.h"
#include "coordinator/store/walk_store.h"
#include "coordinator/walk/narinfo_source.h"
#include "coordinator/walk/narinfo_verifier.h"
#include "coordinator/walk/upstream_health.h"
#include "coordinator/walk/walk_gate.h"

namespace hnx::coordinator {

// Where narinfos come from, and what makes us believe them.
struct UpstreamPolicy {
  UpstreamId id = 0;
  std::string url;
  WalkPolicy policy;
};

class WalkUpstream {
 public:
  static constexpr std::size_t kWindowMin = 8;

  // `client`, `store` and `clock` must outlive this. `window_max`: requests under way at most.
  WalkUpstream(const UpstreamPolicy& upstream, http::HttpClient& client, WalkStore& store,
               std::size_t window_max, const RetryPolicy& pauses, const Clock& clock);

  UpstreamId id() const { return id_; }
  const std::string& url() const { return url_; }
  const std::shared_ptr<const WalkPolicy>& policy() const { return policy_; }
  NarInfoSource& source() { return *source_; }
  Clock::SteadyTime Now() const { return clock_.Steady(); }
  WalkGate& gate() { return gate_; }
  UpstreamHealth& health() { return health_; }

  // Renews the share of the cluster's limits, and hears of pauses, at most so often.
  Result<void> Claim();
  // Reads nix-cache-info if it may be asked. One that does not answer well is held back, or out of
  // order; what was the matter. Errors are the store's.
  Result<std::optional<Error>> Check();
  // Whether it may be asked at all now.
  bool Askable() const;
  // Until it makes sense to look again; zero when Askable.
  std::chrono::milliseconds Wait() const;
  // Why it was not Askable last; nothing: it asked for a pause, or somebody paused it.
  const std::optional<Error>& trouble() const { return trouble_; }
  // It refuses us as a whole: only a person can help. It is tried again after a long while.
  void PutOutOfOrder(Error why);
  bool out_of_order() const { return out_of_order_; }
  void TryAgain() { out_of_order_ = false; }

  // A further request may go out.
  bool MayAsk();
  void OnAsked();
  void OnAnswered();
  std::size_t under_way() const { return under_way_; }
  std::size_t window() const { return window_; }
  // Once per wave of failures; for all who ask this upstream.
  Result<void> HoldBack(const http::HttpFailure& failure);
  // Halves when the upstream is in trouble, grows again while it is well.
  void AdaptWindow(std::size_t answers, std::size_t transient_failures);
  // What is under way belongs to a walk that is over, and ends unheard.
  void ForgetUnderWay() { under_way_ = 0; }

 private:
  const UpstreamId id_;
  const std::string url_;
  const std::shared_ptr<const WalkPolicy> policy_;
  WalkStore& store_;
  const Clock& clock_;
  const std::size_t window_max_;
  const RetryPolicy pauses_;
  const std::unique_ptr<NarInfoSource> source_;
  UpstreamHealth health_;
  WalkGate gate_;
  std::size_t window_;
  std::size_t under_way_ = 0;
  Clock::SteadyTime paused_until_{};
  Clock::SteadyTime next_claim_{};
  bool out_of_order_ = false;
  std::optional<Error> trouble_;
};

}  // namespace hnx::coordinator
