#include "coordinator/walk/walker.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/log.h"

namespace hnx::coordinator {

using std::chrono::milliseconds;

namespace {

constexpr std::string_view kFolderScheme = "file://";

std::vector<WalkUpstream*> Pointers(const std::vector<std::unique_ptr<WalkUpstream>>& upstreams) {
  std::vector<WalkUpstream*> pointers;
  pointers.reserve(upstreams.size());
  for (const auto& upstream : upstreams) {
    pointers.push_back(upstream.get());
  }
  return pointers;
}

}  // namespace

struct Walker::Current {
  Current(const WalkRelease& release, WalkStore& store, std::unique_ptr<WalkUpstream> its_folder,
          const std::vector<std::unique_ptr<WalkUpstream>>& upstreams,
          const std::shared_ptr<NarInfoVerifier>& verifier, const WalkOptions& options)
      : id(release.id),
        folder(std::move(its_folder)),
        walk(release, store, folder ? std::vector{folder.get()} : Pointers(upstreams), verifier,
             options) {}

  const ReleaseId id;
  const std::unique_ptr<WalkUpstream> folder;  // that the release is imported from, if it is
  ReleaseWalk walk;
};

Walker::Walker(http::HttpClient& client, WalkStore& store, WalkPolicies policies,
               WalkOptions options, const Clock& clock)
    : LoopService("walk"),
      client_(client),
      store_(store),
      policies_(std::move(policies)),
      options_(std::move(options)),
      clock_(clock),
      // Room for more than one walk: transfers of an abandoned one may still end.
      verifier_(std::make_shared<NarInfoVerifier>(options_.verify_threads,
                                                  2 * options_.walk_window_max)) {
  for (const UpstreamPolicy& upstream : policies_.upstreams) {
    upstreams_.push_back(std::make_unique<WalkUpstream>(
        upstream, client_, store_, options_.walk_window_max, options_.upstream_pauses, clock_));
  }
}

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
    current_.reset();  // the upstreams are used by one walk at a time
    current_ = Begin(**release);
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
  if (outcome->end != WalkEnd::kWaiting) {
    return milliseconds(0);
  }
  if (!outcome->message.empty()) {
    // It may be long: other releases are walked meanwhile.
    const auto deferred = store_.DeferRelease((*release)->id, outcome->message,
                                              std::min(outcome->wait, kOthersWaitMax));
    if (deferred) {
      return milliseconds(0);
    }
    Log("walk")->warn("release {}: {}", (*release)->id, deferred.error().message);
  }
  return std::min(outcome->wait, kWaitMax);
}

std::unique_ptr<Walker::Current> Walker::Begin(const WalkRelease& release) {
  std::unique_ptr<WalkUpstream> folder;
  if (release.upstream_url.starts_with(kFolderScheme)) {
    folder = std::make_unique<WalkUpstream>(
        UpstreamPolicy{release.upstream_id, release.upstream_url, policies_.folders}, client_,
        store_, options_.walk_window_max, options_.upstream_pauses, clock_);
  }
  return std::make_unique<Current>(release, store_, std::move(folder), upstreams_, verifier_,
                                   options_);
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
