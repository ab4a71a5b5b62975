#include "coordinator/walk/release_walk.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/crash_point.h"
#include "base/log.h"
#include "base/mutex.h"

namespace hnx::coordinator {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAnswerWait{50};

}  // namespace

// Where answers wait for the walk's thread. At most as many as there are paths under way. Outlives
// the walk if transfers do.
class ReleaseWalk::Inbox final : public WalkAnswerSink {
 public:
  void Take(WalkAnswer answer) override {
    MutexLock lock(mutex_);
    if (const auto* verified = std::get_if<VerifiedNarInfo>(&answer.outcome)) {
      held_bytes_ += verified->content.size();
    }
    answers_.push_back(std::move(answer));
    if (answers_.size() >= wanted_) {
      changed_.NotifyAll();
    }
  }

  // Waits until `wanted` answers are there, but not longer than `patience`.
  std::vector<WalkAnswer> Collect(std::size_t wanted, milliseconds patience) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    MutexLock lock(mutex_);
    wanted_ = wanted;
    while (answers_.size() < wanted_) {
      const auto left = deadline - std::chrono::steady_clock::now();
      if (left <= left.zero()) {
        break;
      }
      changed_.WaitFor(mutex_, left);
    }
    held_bytes_ = 0;
    return std::exchange(answers_, {});
  }
  std::uint64_t held_bytes() {
    MutexLock lock(mutex_);
    return held_bytes_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<WalkAnswer> answers_ HNX_GUARDED_BY(mutex_);
  std::size_t wanted_ HNX_GUARDED_BY(mutex_) = 1;
  std::uint64_t held_bytes_ HNX_GUARDED_BY(mutex_) = 0;
};

ReleaseWalk::ReleaseWalk(WalkRelease release, WalkStore& store, NarInfoSource& source,
                         std::shared_ptr<NarInfoVerifier> verifier, const WalkOptions& options,
                         const Clock& clock)
    : release_(std::move(release)),
      store_(store),
      source_(source),
      verifier_(std::move(verifier)),
      options_(options),
      clock_(clock),
      health_(source, clock, options.upstream_pauses),
      inbox_(std::make_shared<Inbox>()),
      random_(std::random_device{}()),
      window_(options.walk_window_max),
      gate_(clock) {}

ReleaseWalk::~ReleaseWalk() = default;

Result<WalkOutcome> ReleaseWalk::Run(const std::function<bool()>& stop) {
  HNX_ASSIGN_OR_RETURN(const auto waits, CheckUpstream());
  if (waits) {
    return *waits;
  }
  HNX_TRY(ExpandKnown(stop));
  while (!stop()) {
    HNX_TRY(Dispatch());
    if (under_way_.empty()) {
      if (WaitForGate()) {
        continue;
      }
      HNX_ASSIGN_OR_RETURN(const auto outcome, WhenIdle());
      if (outcome) {
        return *outcome;
      }
      continue;
    }
    const std::size_t wanted = std::min(options_.walk_batch, under_way_.size());
    auto answers = inbox_->Collect(wanted, kAnswerWait);
    if (!answers.empty()) {
      HNX_TRY(SaveAnswers(std::move(answers)));
    }
    if (refused_by_upstream_) {
      return *refused_by_upstream_;
    }
  }
  return WalkOutcome{WalkEnd::kStopping, milliseconds(0)};
}

Result<std::optional<WalkOutcome>> ReleaseWalk::CheckUpstream() {
  HNX_TRY(ClaimShare());
  const auto now = clock_.Steady();
  if (now < paused_until_) {
    // Not even its nix-cache-info.
    return std::optional(
        WalkOutcome{WalkEnd::kWaiting, std::chrono::ceil<milliseconds>(paused_until_ - now)});
  }
  const Result<void> well = health_.CheckCacheInfo();
  if (!well.has_value()) {
    if (const auto pause = health_.asked_pause()) {
      HNX_TRY(store_.PauseUpstream(release_.upstream_id,
                                   std::min(*pause, options_.upstream_pauses.retry_after_cap)));
    }
    return well.error();
  }
  return std::optional<WalkOutcome>();
}

Result<bool> ReleaseWalk::ExpandKnown(const std::function<bool()>& stop) {
  constexpr std::size_t kExpandLimit = 10'000;
  bool any = false;
  while (!stop()) {
    HNX_ASSIGN_OR_RETURN(const std::uint64_t expanded,
                         store_.ExpandKnown(release_.id, kExpandLimit));
    if (expanded == 0) {
      break;
    }
    any = true;
    store_ahead_ = true;
  }
  return any;
}

Result<void> ReleaseWalk::Dispatch() {
  HNX_TRY(ClaimShare());
  while (under_way_.size() < window_ && inbox_->held_bytes() < kHeldBytesMax &&
         clock_.Steady() >= paused_until_ && gate_.MayAsk(under_way_.size())) {
    if (!ready_.empty()) {
      FrontierPath path = std::move(ready_.front());
      ready_.pop_front();
      if (under_way_.insert(path.path).second) {
        Ask(std::move(path));
      }
    } else if (MayReadFrontier()) {
      HNX_TRY(ReadFrontier());
    } else {
      break;
    }
  }
  return {};
}

bool ReleaseWalk::MayReadFrontier() {
  // Asking again for less than this costs more than it brings.
  const std::size_t room_min = std::min(options_.walk_batch / 2, window_ / 2);
  if (!store_ahead_ || under_way_.size() + room_min >= window_) {
    return false;
  }
  // New paths have higher numbers, so reading goes on from where it is; lower ones (retries, paths
  // that other releases found) are looked for when little else is left, since what is under way is
  // then all that is read in vain.
  return cursor_ != 0 || under_way_.size() < window_ / 4;
}

Result<void> ReleaseWalk::ReadFrontier() {
  const std::size_t limit = std::min(window_ - under_way_.size(), kWalkBatchMax);
  HNX_ASSIGN_OR_RETURN(Frontier frontier, store_.NextFrontier(release_.id, cursor_, limit));
  next_ready_ = frontier.next_ready;
  const bool at_end = frontier.paths.size() < limit;
  if (at_end) {
    store_ahead_ = cursor_ != 0;
    cursor_ = 0;
  } else {
    cursor_ = frontier.paths.back().path;
  }
  for (FrontierPath& path : frontier.paths) {
    if (!under_way_.contains(path.path)) {
      ready_.push_back(std::move(path));
    }
  }
  return {};
}

// Others may have been told to hold back, and shares change with those who need one.
Result<void> ReleaseWalk::ClaimShare() {
  constexpr milliseconds kInterval{1'000};
  constexpr milliseconds kStarvedInterval{250};
  const auto now = clock_.Steady();
  if (now < next_claim_) {
    return {};
  }
  HNX_ASSIGN_OR_RETURN(const HostAllowance allowance,
                       store_.ClaimShare(release_.upstream_id, gate_.Use(under_way_.size())));
  gate_.Apply(allowance, now);
  next_claim_ = now + (gate_.starved() ? kStarvedInterval : kInterval);
  paused_until_ = std::max(paused_until_, now + allowance.pause);
  return {};
}

bool ReleaseWalk::WaitForGate() {
  if (ready_.empty() || clock_.Steady() < paused_until_ || gate_.MayAsk(0)) {
    return false;
  }
  (void)inbox_->Collect(1, std::clamp(gate_.Wait(), milliseconds(1), kAnswerWait));
  return true;
}

void ReleaseWalk::Ask(FrontierPath path) {
  gate_.OnAsked();
  const std::string hash = path.hash;
  const auto asked_at = clock_.Steady();
  source_.Read(hash, [inbox = inbox_, verifier = verifier_, asked_at,
                      path = std::move(path)](NarInfoAnswer answer) {
    if (answer) {
      verifier->Verify(path, asked_at, *std::move(answer), inbox);
    } else {
      inbox->Take({path, asked_at, std::move(answer).error()});
    }
  });
}

Result<void> ReleaseWalk::SaveAnswers(std::vector<WalkAnswer> answers) {
  std::vector<VerifiedNarInfo> narinfos;
  std::vector<PathFailure> failures;
  std::size_t transient_failures = 0;
  for (const WalkAnswer& answer : answers) {
    if (!std::holds_alternative<http::HttpFailure>(answer.outcome)) {
      health_.NoteSuccess();
      break;
    }
  }
  for (WalkAnswer& answer : answers) {
    if (auto* verified = std::get_if<VerifiedNarInfo>(&answer.outcome)) {
      gate_.OnBytes(verified->content.size());
      narinfos.push_back(std::move(*verified));
      continue;
    }
    bool held_back = false;
    failures.push_back(DecideFailure(answer, held_back));
    transient_failures += held_back ? 1 : 0;
    if (held_back) {
      HNX_TRY(HoldBackUpstream(std::get<http::HttpFailure>(answer.outcome)));
    }
  }
  HNX_ASSIGN_OR_RETURN(SaveOutcome saved, store_.SaveWalkResults(release_.id, narinfos, failures));
  CrashPoint("walk.after_save");
  for (const WalkAnswer& answer : answers) {
    under_way_.erase(answer.path.path);
  }
  TakeDiscovered(saved);
  AdaptWindow(answers.size(), transient_failures);
  statistics_.narinfos_saved += saved.saved;
  statistics_.narinfos_changed += saved.narinfos_changed;
  statistics_.nar_hashes_changed += saved.nar_hashes_changed;
  for (const PathFailure& failure : failures) {
    ++(failure.verdict == PathFailure::Verdict::kLater ? statistics_.retries
                                                       : statistics_.failures);
  }
  return {};
}

void ReleaseWalk::TakeDiscovered(SaveOutcome& saved) {
  bool all_ready = saved.discovered.size() == saved.paths_discovered;
  for (FrontierPath& path : saved.discovered) {
    if (ready_.size() >= kReadyMax) {
      all_ready = false;
      break;
    }
    ready_.push_back(std::move(path));
  }
  // When nothing seems to be left the store is asked, which also knows what waits for a retry.
  if (!all_ready || (ready_.empty() && under_way_.empty())) {
    store_ahead_ = true;
  }
}

PathFailure ReleaseWalk::DecideFailure(const WalkAnswer& answer, bool& held_back) {
  if (const auto* error = std::get_if<Error>(&answer.outcome)) {
    return DecideRefusal(options_.failures, answer.path, *error, random_);
  }
  const auto& failure = std::get<http::HttpFailure>(answer.outcome);
  if (failure.advice == http::UpstreamAdvice::kStop) {
    refused_by_upstream_ =
        FailedPrecondition("the upstream refuses us altogether: " + failure.message);
    return DecideTransferFailure(options_.failures, answer.path, failure, false, random_);
  }
  const bool own = !IsTransient(failure) || health_.IsOwnFailure(answer.asked_at);
  held_back = !own || failure.advice == http::UpstreamAdvice::kSlowDown;
  return DecideTransferFailure(options_.failures, answer.path, failure, own, random_);
}

// Once per wave of failures: what is already held back is not held back further.
Result<void> ReleaseWalk::HoldBackUpstream(const http::HttpFailure& failure) {
  const auto now = clock_.Steady();
  if (now < paused_until_) {
    return {};
  }
  const milliseconds pause = health_.NextPause(failure.retry_after);
  Log("walk")->warn("holding {} back for {} ms: {}", release_.upstream_url, pause.count(),
                    failure.message);
  paused_until_ = now + pause;
  return store_.PauseUpstream(release_.upstream_id, pause);
}

// Halves when the upstream is in trouble, grows again while it is well.
void ReleaseWalk::AdaptWindow(std::size_t answers, std::size_t transient_failures) {
  if (transient_failures > 0) {
    window_ = std::max(kWindowMin, window_ / 2);
  } else {
    window_ = std::min(options_.walk_window_max, window_ + std::max<std::size_t>(1, answers / 2));
  }
}

Result<std::optional<WalkOutcome>> ReleaseWalk::WhenIdle() {
  const auto now = clock_.Steady();
  if (now < paused_until_) {
    return std::optional(
        WalkOutcome{WalkEnd::kWaiting, std::chrono::ceil<milliseconds>(paused_until_ - now)});
  }
  HNX_ASSIGN_OR_RETURN(const bool expanded, ExpandKnown([] { return false; }));
  if (expanded || store_ahead_ || !ready_.empty()) {
    return std::optional<WalkOutcome>();
  }
  if (next_ready_) {
    // Asked again after the wait.
    store_ahead_ = true;
    return std::optional(WalkOutcome{WalkEnd::kWaiting, *next_ready_});
  }
  HNX_TRY(store_.FinishWalk(release_.id));
  CrashPoint("walk.after_finish");
  return std::optional(WalkOutcome{WalkEnd::kFinished, milliseconds(0)});
}

}  // namespace hnx::coordinator
