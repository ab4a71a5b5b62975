#include "coordinator/walk/upstream_health.h"

#include <algorithm>

#include "nix/cache_info.h"

namespace hnx::coordinator {

UpstreamHealth::UpstreamHealth(NarInfoSource& source, const Clock& clock, const RetryPolicy& pauses)
    : source_(source), clock_(clock), pauses_(pauses) {}

Result<void> UpstreamHealth::CheckCacheInfo() {
  asked_pause_.reset();
  const auto text = source_.ReadCacheInfo();
  if (!text) {
    asked_pause_ = text.error().retry_after;
    Error error = text.error().ToError().Annotate("read the upstream's nix-cache-info");
    if (error.code == ErrorCode::kNotFound || error.code == ErrorCode::kInvalidArgument) {
      error.code = ErrorCode::kFailedPrecondition;
    }
    return error;
  }
  const auto info = nix::CacheInfo::Parse(*text);
  if (!info) {
    return FailedPrecondition("read the upstream's nix-cache-info: " + info.error().message);
  }
  NoteSuccess();
  return {};
}

void UpstreamHealth::NoteSuccess() {
  last_success_ = clock_.Steady();
  pauses_in_a_row_ = 0;
}

bool UpstreamHealth::IsOwnFailure(Clock::SteadyTime asked_at) {
  const auto since = [&](const std::optional<Clock::SteadyTime>& at) {
    return at && *at >= asked_at;
  };
  if (since(last_success_) || since(probed_well_at_)) {
    return true;
  }
  if (since(probed_badly_at_)) {
    return false;
  }
  const bool well = CheckCacheInfo().has_value();
  (well ? probed_well_at_ : probed_badly_at_) = clock_.Steady();
  return well;
}

std::chrono::milliseconds UpstreamHealth::NextPause(
    std::optional<std::chrono::milliseconds> retry_after) {
  constexpr int kCountMax = 30;
  pauses_in_a_row_ = std::min(pauses_in_a_row_ + 1, kCountMax);
  constexpr std::chrono::milliseconds kPauseMin{100};
  return std::max(kPauseMin, pauses_.Delay(pauses_in_a_row_, random_, retry_after));
}

}  // namespace hnx::coordinator
