#include "coordinator/walk/walk_upstream.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace hnx::coordinator {

using std::chrono::milliseconds;

WalkUpstream::WalkUpstream(const UpstreamPolicy& upstream, http::HttpClient& client,
                           WalkStore& store, std::size_t window_max, const RetryPolicy& pauses,
                           const Clock& clock)
    : id_(upstream.id),
      url_(upstream.url),
      policy_(std::make_shared<const WalkPolicy>(upstream.policy)),
      store_(store),
      clock_(clock),
      window_max_(window_max),
      pauses_(pauses),
      source_(MakeNarInfoSource(client, upstream.url)),
      health_(*source_, clock, pauses),
      gate_(clock),
      window_(window_max) {}

Result<void> WalkUpstream::Claim() {
  constexpr milliseconds kInterval{1'000};
  constexpr milliseconds kStarvedInterval{250};
  const auto now = clock_.Steady();
  if (now < next_claim_) {
    return {};
  }
  HNX_ASSIGN_OR_RETURN(const HostAllowance allowance,
                       store_.ClaimShare(id_, gate_.Use(under_way_)));
  gate_.Apply(allowance, now);
  next_claim_ = now + (gate_.starved() ? kStarvedInterval : kInterval);
  paused_until_ = std::max(paused_until_, now + allowance.pause);
  return {};
}

Result<std::optional<Error>> WalkUpstream::Check() {
  if (!Askable()) {
    return std::optional<Error>();
  }
  const Result<void> well = health_.CheckCacheInfo();
  if (well.has_value()) {
    trouble_.reset();
    return std::optional<Error>();
  }
  if (well.error().code == ErrorCode::kFailedPrecondition) {
    PutOutOfOrder(well.error());
    return trouble_;
  }
  trouble_ = well.error();
  const auto asked_for = health_.asked_pause();
  paused_until_ = clock_.Steady() + health_.NextPause(asked_for);
  if (asked_for) {
    HNX_TRY(store_.PauseUpstream(id_, std::min(*asked_for, pauses_.retry_after_cap)));
  }
  return trouble_;
}

bool WalkUpstream::Askable() const {
  return !out_of_order_ && clock_.Steady() >= paused_until_;
}

milliseconds WalkUpstream::Wait() const {
  return std::max(milliseconds(0),
                  std::chrono::ceil<milliseconds>(paused_until_ - clock_.Steady()));
}

void WalkUpstream::PutOutOfOrder(Error why) {
  if (!out_of_order_) {
    Log("walk")->warn("{} is not asked any more: {}", url_, why.message);
  }
  out_of_order_ = true;
  paused_until_ = std::max(paused_until_, clock_.Steady() + pauses_.cap);
  trouble_ = std::move(why);
}

bool WalkUpstream::MayAsk() {
  return Askable() && under_way_ < window_ && gate_.MayAsk(under_way_);
}

void WalkUpstream::OnAsked() {
  ++under_way_;
  gate_.OnAsked();
}

void WalkUpstream::OnAnswered() {
  under_way_ -= under_way_ > 0 ? 1 : 0;
}

Result<void> WalkUpstream::HoldBack(const http::HttpFailure& failure) {
  const auto now = clock_.Steady();
  if (now < paused_until_) {
    return {};
  }
  const milliseconds pause = health_.NextPause(failure.retry_after);
  Log("walk")->warn("holding {} back for {} ms: {}", url_, pause.count(), failure.message);
  paused_until_ = now + pause;
  trouble_ = failure.ToError();
  return store_.PauseUpstream(id_, pause);
}

void WalkUpstream::AdaptWindow(std::size_t answers, std::size_t transient_failures) {
  if (transient_failures > 0) {
    window_ = std::max(std::min(kWindowMin, window_max_), window_ / 2);
  } else if (answers > 0) {
    window_ = std::min(window_max_, window_ + std::max<std::size_t>(1, answers / 2));
  }
}

}  // namespace hnx::coordinator
