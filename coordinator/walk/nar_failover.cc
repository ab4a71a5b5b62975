#include "coordinator/walk/nar_failover.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/mutex.h"

namespace hnx::coordinator {

using std::chrono::milliseconds;

// Answers that are on their way; outlives the service if they do.
struct NarFailover::Reading {
  explicit Reading(std::size_t count) : answers(count), asked_at(count) {}

  void Take(std::size_t place, NarInfoAnswer answer) {
    MutexLock lock(mutex);
    answers[place] = std::move(answer);
    ++here;
    changed.NotifyAll();
  }
  // True: all are here; false: `stop` said so.
  bool Await(const std::function<bool()>& stop) {
    constexpr milliseconds kLook{100};
    MutexLock lock(mutex);
    while (here < asked) {
      if (stop()) {
        return false;
      }
      changed.WaitFor(mutex, kLook);
    }
    return true;
  }

  std::vector<std::optional<NarInfoAnswer>> TakeAll() {
    MutexLock lock(mutex);
    return std::exchange(answers, {});
  }

  Mutex mutex;
  CondVar changed;
  std::vector<std::optional<NarInfoAnswer>> answers HNX_GUARDED_BY(mutex);
  std::size_t here HNX_GUARDED_BY(mutex) = 0;
  std::size_t asked HNX_GUARDED_BY(mutex) = 0;
  std::vector<Clock::SteadyTime> asked_at;  // by the service's thread only
};

NarFailover::NarFailover(http::HttpClient& client, WalkStore& claims, PgElsewhereStore& store,
                         const PgLeader& leader, const std::vector<UpstreamPolicy>& upstreams,
                         const WalkFailureOptions& failures, const RetryPolicy& upstream_pauses,
                         const Clock& clock)
    : LoopService("failover"), store_(store), leader_(leader), failures_(failures), clock_(clock) {
  for (const UpstreamPolicy& upstream : upstreams) {
    upstreams_.push_back(std::make_unique<WalkUpstream>(
        upstream, client, claims, PgElsewhereStore::kPathsMax, upstream_pauses, clock));
  }
}

milliseconds NarFailover::RunOnce() {
  if (!leader_.leads()) {
    return kIdleInterval;
  }
  const auto wait = Step();
  if (!wait.has_value()) {
    if (wait.error().code != ErrorCode::kAborted) {
      Log("failover")->warn("{}", wait.error().message);
    }
    return kIdleInterval;
  }
  return *wait;
}

Result<milliseconds> NarFailover::Step() {
  // With one upstream alone there is only what an earlier process, which had more, left undone.
  const bool outages = upstreams_.size() > 1 && clock_.Steady() >= next_outage_look_;
  if (outages) {
    next_outage_look_ = clock_.Steady() + kOutageInterval;
  }
  HNX_ASSIGN_OR_RETURN(const bool looking, store_.AnyLooking(outages));
  if (!looking) {
    return kIdleInterval;
  }
  HNX_ASSIGN_OR_RETURN(const std::vector<UpstreamId> askable, Askable());
  HNX_ASSIGN_OR_RETURN(const std::vector<ElsewherePath> paths, store_.Next(askable));
  if (paths.empty()) {
    return kIdleInterval;
  }
  const auto reading = Ask(paths);
  const bool complete = reading->Await([this] { return stopping(); });
  for (const auto& upstream : upstreams_) {
    upstream->ForgetUnderWay();
  }
  if (!complete) {
    return kIdleInterval;
  }
  std::vector<std::optional<NarInfoAnswer>> read = reading->TakeAll();
  std::vector<ElsewhereAnswer> answers;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (paths[i].upstream == 0) {
      answers.push_back({.asked = paths[i], .found = {}, .later = {}});
    } else if (read[i]) {
      HNX_ASSIGN_OR_RETURN(ElsewhereAnswer answer,
                           Judge(paths[i], *std::move(read[i]), reading->asked_at[i]));
      answers.push_back(std::move(answer));
    }
  }
  HNX_TRY(store_.Save(answers));
  // Those that were not asked, for want of a share, come again.
  return answers.empty() ? milliseconds(100) : milliseconds(0);
}

Result<std::vector<UpstreamId>> NarFailover::Askable() {
  std::vector<UpstreamId> ids;
  for (const auto& upstream : upstreams_) {
    upstream->TryAgain();
    HNX_TRY(upstream->Claim());
    if (upstream->Askable()) {
      ids.push_back(upstream->id());
    }
  }
  return ids;
}

std::shared_ptr<NarFailover::Reading> NarFailover::Ask(const std::vector<ElsewherePath>& paths) {
  auto reading = std::make_shared<Reading>(paths.size());
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (paths[i].upstream == 0 || !Find(paths[i].upstream).MayAsk()) {
      continue;
    }
    WalkUpstream& upstream = Find(paths[i].upstream);
    upstream.OnAsked();
    reading->asked_at[i] = clock_.Steady();
    {
      MutexLock lock(reading->mutex);
      ++reading->asked;
    }
    upstream.source().Read(paths[i].path.hash, [reading, i](NarInfoAnswer answer) {
      reading->Take(i, std::move(answer));
    });
  }
  return reading;
}

Result<ElsewhereAnswer> NarFailover::Judge(const ElsewherePath& asked, NarInfoAnswer answer,
                                           Clock::SteadyTime asked_at) {
  WalkUpstream& upstream = Find(asked.upstream);
  ElsewhereAnswer judged{.asked = asked, .found = {}, .later = {}};
  PathFailure decided;
  if (answer) {
    upstream.health().NoteSuccess();
    upstream.gate().OnBytes(answer->size());
    auto verified = VerifyForWalk(asked.path, *answer, *upstream.policy());
    if (verified.has_value()) {
      verified->upstream = upstream.id();
      judged.found = *std::move(verified);
      return judged;
    }
    decided = DecideRefusal(failures_, asked.path, verified.error(), random_);
  } else if (answer.error().advice == http::UpstreamAdvice::kStop) {
    upstream.PutOutOfOrder(answer.error().ToError());
    decided = DecideTransferFailure(failures_, asked.path, answer.error(), false, random_);
  } else {
    const http::HttpFailure& failure = answer.error();
    const bool own = !IsTransient(failure) || upstream.health().IsOwnFailure(asked_at);
    if (!own || failure.advice == http::UpstreamAdvice::kSlowDown) {
      HNX_TRY(upstream.HoldBack(failure));
    }
    decided = DecideTransferFailure(failures_, asked.path, failure, own, random_);
  }
  if (decided.verdict == PathFailure::Verdict::kLater) {
    judged.later = decided.retry_in;
    judged.attempts = decided.attempts;
  } else {
    judged.refused = decided.verdict == PathFailure::Verdict::kMissing
                         ? "it has no narinfo (" + decided.reason + ")"
                         : "its narinfo was refused (" + decided.reason + "): " + decided.message;
  }
  return judged;
}

WalkUpstream& NarFailover::Find(UpstreamId id) {
  const auto found = std::find_if(upstreams_.begin(), upstreams_.end(),
                                  [&](const auto& one) { return one->id() == id; });
  HNX_CHECK(found != upstreams_.end());
  return **found;
}

}  // namespace hnx::coordinator
