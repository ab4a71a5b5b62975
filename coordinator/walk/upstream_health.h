// UpstreamHealth: tells one path's trouble from the whole upstream's. Transient failures count
// against a path only when the upstream answered something well since the path was asked for, or
// when it answers a probe (nix-cache-info) well now. Otherwise the upstream is held back, longer
// each time, and nobody is blamed: an outage sets no path aside. One thread.
#pragma once

#include <chrono>
#include <optional>
#include <random>

#include "base/clock.h"
#include "base/retry_policy.h"
#include "coordinator/walk/narinfo_source.h"

namespace hnx::coordinator {

class UpstreamHealth {
 public:
  // Both must outlive this.
  UpstreamHealth(NarInfoSource& source, const Clock& clock, const RetryPolicy& pauses);

  // Reads nix-cache-info. kFailedPrecondition: this upstream cannot be used; a person must act.
  Result<void> CheckCacheInfo();
  // What the last CheckCacheInfo was asked to wait, if it failed so.
  std::optional<std::chrono::milliseconds> asked_pause() const { return asked_pause_; }

  void NoteSuccess();
  // Whether a transient failure of something asked for at `asked_at` is its own.
  bool IsOwnFailure(Clock::SteadyTime asked_at);
  // How long to hold the upstream back, after IsOwnFailure said no or after it asked to slow down.
  std::chrono::milliseconds NextPause(std::optional<std::chrono::milliseconds> retry_after);

 private:
  NarInfoSource& source_;
  const Clock& clock_;
  const RetryPolicy pauses_;
  std::mt19937_64 random_{std::random_device{}()};
  std::optional<Clock::SteadyTime> last_success_;
  // A probe's word holds for everything that was asked for before it.
  std::optional<Clock::SteadyTime> probed_well_at_;
  std::optional<Clock::SteadyTime> probed_badly_at_;
  std::optional<std::chrono::milliseconds> asked_pause_;
  int pauses_in_a_row_ = 0;
};

}  // namespace hnx::coordinator
