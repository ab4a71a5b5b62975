#include "coordinator/walk/walker.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace hnx::coordinator {

using std::chrono::milliseconds;

struct Walker::Current {
  Current(const WalkRelease& release, http::HttpClient& client, WalkStore& store,
          const std::shared_ptr<NarInfoVerifier>& verifier, const WalkOptions& options,
          const Clock& clock)
      : id(release.id),
        source(MakeNarInfoSource(client, release.upstream_url)),
        walk(release, store, *source, verifier, options, clock) {}

  const ReleaseId id;
  const std::unique_ptr<NarInfoSource> source;
  ReleaseWalk walk;
};

Walker::Walker(http::HttpClient& client, WalkStore& store, WalkPolicy policy, WalkOptions options,
               const Clock& clock)
    : LoopService("walk"),
      client_(client),
      store_(store),
      options_(std::move(options)),
      clock_(clock),
      // Room for more than one walk: transfers of an abandoned one may still end.
      verifier_(std::make_shared<NarInfoVerifier>(std::move(policy), options_.verify_threads,
                                                  2 * options_.walk_window_max)) {}

Walker::~Walker() {
  Stop();
}

WalkStatistics Walker::statistics() const {
  MutexLock lock(mutex_);
  return statistics_;
}

milliseconds Walker::RunOnce() {
  const auto release = store_.NextReleaseToWalk();
  if (!release) {
    Log("walk")->warn("find a release to walk: {}", release.error().message);
    return kIdleInterval;
  }
  if (!*release) {
    current_.reset();
    return kIdleInterval;
  }
  if (!current_ || current_->id != (*release)->id) {
    Log("walk")->info("walking release {} ({} {})", (*release)->id, (*release)->channel,
                      (*release)->name);
    current_ = std::make_unique<Current>(**release, client_, store_, verifier_, options_, clock_);
  }
  auto next_look = clock_.Steady() + kUrgencyInterval;
  const auto stop = [&] {
    if (stopping()) {
      return true;
    }
    if (clock_.Steady() < next_look) {
      return false;
    }
    next_look = clock_.Steady() + kUrgencyInterval;
    const auto next = store_.NextReleaseToWalk();
    // Another is more urgent, or this one was paused or cancelled.
    return next && (!*next || (*next)->id != current_->id);
  };
  const Result<WalkOutcome> outcome = current_->walk.Run(stop);
  {
    MutexLock lock(mutex_);
    statistics_ = current_->walk.statistics();
  }
  if (!outcome) {
    return Fail(**release, outcome.error());
  }
  failures_in_a_row_ = 0;
  if (outcome->end == WalkEnd::kFinished) {
    Log("walk")->info("release {} is walked: {} narinfos read, {} paths failed", (*release)->id,
                      current_->walk.statistics().narinfos_saved,
                      current_->walk.statistics().failures);
    current_.reset();
  }
  return outcome->end == WalkEnd::kWaiting ? std::min(outcome->wait, kWaitMax) : milliseconds(0);
}

milliseconds Walker::Fail(const WalkRelease& release, const Error& error) {
  // What is under way belongs to a state that is not ours any more.
  current_.reset();
  if (error.code == ErrorCode::kAborted) {
    return kIdleInterval;
  }
  constexpr int kCountMax = 30;
  failures_in_a_row_ = std::min(failures_in_a_row_ + 1, kCountMax);
  const milliseconds wait = options_.upstream_pauses.Delay(failures_in_a_row_, random_);
  Log("walk")->warn("walk of release {}: {}; again in {} ms", release.id, error.ToString(),
                    wait.count());
  const auto deferred = store_.DeferRelease(release.id, "waiting: " + error.message, wait);
  if (!deferred) {
    Log("walk")->warn("release {}: {}", release.id, deferred.error().message);
    return kIdleInterval;
  }
  return milliseconds(0);
}

}  // namespace hnx::coordinator
