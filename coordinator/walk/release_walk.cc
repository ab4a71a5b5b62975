#include "coordinator/walk/release_walk.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "base/crash_point.h"
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

ReleaseWalk::ReleaseWalk(WalkRelease release, WalkStore& store,
                         std::vector<WalkUpstream*> upstreams,
                         std::shared_ptr<NarInfoVerifier> verifier, const WalkOptions& options)
    : release_(std::move(release)),
      store_(store),
      upstreams_(std::move(upstreams)),
      verifier_(std::move(verifier)),
      options_(options),
      inbox_(std::make_shared<Inbox>()),
      random_(std::random_device{}()),
      queues_(upstreams_.size()) {
  HNX_CHECK(!upstreams_.empty());
  for (const WalkUpstream* upstream : upstreams_) {
    seen_.push_back({.id = upstream->id(), .url = upstream->url()});
  }
}

ReleaseWalk::~ReleaseWalk() {
  for (WalkUpstream* upstream : upstreams_) {
    upstream->ForgetUnderWay();
  }
}

Result<WalkOutcome> ReleaseWalk::Run(const std::function<bool()>& stop) {
  HNX_ASSIGN_OR_RETURN(const auto waits, CheckUpstreams());
  if (waits) {
    return *waits;
  }
  HNX_TRY(ExpandKnown(stop));
  while (!stop()) {
    HNX_TRY(Dispatch());
    const std::size_t under_way = UnderWay();
    if (under_way == 0 && ended_.empty()) {
      if (WaitForGate()) {
        continue;
      }
      HNX_ASSIGN_OR_RETURN(const auto outcome, WhenIdle());
      if (outcome) {
        return *outcome;
      }
      continue;
    }
    std::vector<WalkAnswer> answers;
    if (under_way > 0) {
      answers = inbox_->Collect(std::min(options_.walk_batch, under_way), kAnswerWait);
    }
    HNX_TRY(TakeAnswers(std::move(answers)));
    if (const auto refused = AllOutOfOrder()) {
      return *refused;
    }
  }
  return WalkOutcome{WalkEnd::kStopping, milliseconds(0)};
}

Result<std::optional<WalkOutcome>> ReleaseWalk::CheckUpstreams() {
  std::optional<Error> trouble;
  for (WalkUpstream* upstream : upstreams_) {
    upstream->TryAgain();
    HNX_TRY(upstream->Claim());
    // One that is held back is not even asked for its nix-cache-info.
    HNX_ASSIGN_OR_RETURN(const auto found, upstream->Check());
    if (found && !trouble) {
      trouble = found;
    }
  }
  NoteAskable();
  if (AnyAskable()) {
    return std::optional<WalkOutcome>();
  }
  if (trouble) {
    return *trouble;
  }
  return std::optional(WalkOutcome{WalkEnd::kWaiting, ShortestWait()});
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
  HNX_TRY(LookAtUpstreams());
  for (std::size_t i = 0; i < upstreams_.size(); ++i) {
    if (!seen_[i].askable) {
      // Whose turn it was there is passed on.
      for (const PathId path : std::exchange(queues_[i], {})) {
        Route(path);
      }
    }
    Pump(i);
  }
  while (rounds_.size() < Window() && inbox_->held_bytes() < kHeldBytesMax && AnyAskable()) {
    if (!ready_.empty()) {
      FrontierPath path = std::move(ready_.front());
      ready_.pop_front();
      const PathId id = path.path;
      if (rounds_.try_emplace(id, std::move(path)).second) {
        Route(id);
      }
    } else if (MayReadFrontier()) {
      HNX_TRY(ReadFrontier());
    } else {
      break;
    }
  }
  return {};
}

// Others may have been told to hold back, and shares change with those who need one.
Result<void> ReleaseWalk::LookAtUpstreams() {
  for (WalkUpstream* upstream : upstreams_) {
    HNX_TRY(upstream->Claim());
  }
  NoteAskable();
  return {};
}

void ReleaseWalk::NoteAskable() {
  for (std::size_t i = 0; i < upstreams_.size(); ++i) {
    const bool askable = upstreams_[i]->Askable();
    // What only this one may have can be asked for again.
    store_ahead_ = store_ahead_ || (askable && !seen_[i].askable && waits_for_others_);
    seen_[i].askable = askable;
  }
}

bool ReleaseWalk::MayReadFrontier() const {
  // Asking again for less than this costs more than it brings.
  const std::size_t window = Window();
  const std::size_t room_min = std::min(options_.walk_batch / 2, window / 2);
  if (!store_ahead_ || rounds_.size() + room_min >= window) {
    return false;
  }
  // New paths have higher numbers, so reading goes on from where it is; lower ones (retries, paths
  // that other releases found) are looked for when little else is left, since what is under way is
  // then all that is read in vain.
  return cursor_ != 0 || rounds_.size() < window / 4;
}

Result<void> ReleaseWalk::ReadFrontier() {
  std::vector<UpstreamId> askable;
  for (const RoundUpstream& upstream : seen_) {
    if (upstream.askable) {
      askable.push_back(upstream.id);
    }
  }
  if (askable.size() == seen_.size()) {
    askable.clear();  // nobody else could have what they lack
  }
  const std::size_t limit = std::min(Window() - rounds_.size(), kWalkBatchMax);
  HNX_ASSIGN_OR_RETURN(Frontier frontier,
                       store_.NextFrontier(release_.id, cursor_, limit, askable));
  next_ready_ = frontier.next_ready;
  waits_for_others_ = frontier.waits_for_others;
  const bool at_end = frontier.paths.size() < limit;
  if (at_end) {
    store_ahead_ = cursor_ != 0;
    cursor_ = 0;
  } else {
    cursor_ = frontier.paths.back().path;
  }
  for (FrontierPath& path : frontier.paths) {
    if (!rounds_.contains(path.path)) {
      ready_.push_back(std::move(path));
    }
  }
  return {};
}

void ReleaseWalk::Route(PathId path) {
  const PathRound& round = rounds_.at(path);
  if (const auto next = round.Next(seen_)) {
    queues_[*next].push_back(path);
    Pump(*next);
    return;
  }
  if (auto ended = round.End(seen_)) {
    ended_.push_back(*std::move(ended));
    return;
  }
  // It stays in the store's frontier.
  rounds_.erase(path);
  store_ahead_ = true;
}

void ReleaseWalk::Pump(std::size_t upstream) {
  std::deque<PathId>& queue = queues_[upstream];
  while (!queue.empty() && upstreams_[upstream]->MayAsk() && inbox_->held_bytes() < kHeldBytesMax) {
    const PathId path = queue.front();
    queue.pop_front();
    Ask(upstream, rounds_.at(path).path());
  }
}

void ReleaseWalk::Ask(std::size_t upstream, const FrontierPath& path) {
  WalkUpstream& asked = *upstreams_[upstream];
  asked.OnAsked();
  const auto asked_at = asked.Now();
  asked.source().Read(path.hash, [inbox = inbox_, verifier = verifier_, policy = asked.policy(),
                                  upstream, asked_at, path](NarInfoAnswer answer) {
    if (answer) {
      verifier->Verify({path, upstream, asked_at, *std::move(answer), policy, inbox});
    } else {
      inbox->Take({path, upstream, asked_at, std::move(answer).error()});
    }
  });
}

bool ReleaseWalk::WaitForGate() {
  bool wanted = !ready_.empty() && AnyAskable();
  for (std::size_t i = 0; i < upstreams_.size(); ++i) {
    wanted = wanted || (seen_[i].askable && !queues_[i].empty());
  }
  if (!wanted) {
    return false;
  }
  milliseconds wait = kAnswerWait;
  for (std::size_t i = 0; i < upstreams_.size(); ++i) {
    if (seen_[i].askable) {
      wait = std::min(wait, upstreams_[i]->gate().Wait());
    }
  }
  (void)inbox_->Collect(1, std::clamp(wait, milliseconds(1), kAnswerWait));
  return true;
}

Result<void> ReleaseWalk::TakeAnswers(std::vector<WalkAnswer> answers) {
  std::vector<VerifiedNarInfo> narinfos;
  std::vector<PathId> failed;
  std::vector<std::size_t> answered(upstreams_.size());
  std::vector<std::size_t> transient(upstreams_.size());
  for (const WalkAnswer& answer : answers) {
    WalkUpstream& upstream = *upstreams_[answer.upstream];
    upstream.OnAnswered();
    ++answered[answer.upstream];
    if (!std::holds_alternative<http::HttpFailure>(answer.outcome)) {
      upstream.health().NoteSuccess();
    }
  }
  for (WalkAnswer& answer : answers) {
    WalkUpstream& upstream = *upstreams_[answer.upstream];
    if (auto* verified = std::get_if<VerifiedNarInfo>(&answer.outcome)) {
      upstream.gate().OnBytes(verified->content.size());
      verified->upstream = upstream.id();
      narinfos.push_back(std::move(*verified));
      continue;
    }
    bool held_back = false;
    PathRound& round = rounds_.at(answer.path.path);
    const PathFailure decided = DecideFailure(answer, round.path(), held_back);
    if (held_back) {
      ++transient[answer.upstream];
      HNX_TRY(upstream.HoldBack(std::get<http::HttpFailure>(answer.outcome)));
    }
    round.Note(answer.upstream, seen_[answer.upstream], decided, upstreams_.size() > 1);
    failed.push_back(answer.path.path);
  }
  for (std::size_t i = 0; i < upstreams_.size(); ++i) {
    upstreams_[i]->AdaptWindow(answered[i], transient[i]);
  }
  NoteAskable();
  for (const PathId path : failed) {
    Route(path);
  }
  return Save(narinfos);
}

Result<void> ReleaseWalk::Save(const std::vector<VerifiedNarInfo>& narinfos) {
  if (narinfos.empty() && ended_.empty()) {
    return {};
  }
  HNX_ASSIGN_OR_RETURN(SaveOutcome saved, store_.SaveWalkResults(release_.id, narinfos, ended_));
  CrashPoint("walk.after_save");
  for (const VerifiedNarInfo& narinfo : narinfos) {
    rounds_.erase(narinfo.path);
  }
  for (const PathFailure& failure : ended_) {
    rounds_.erase(failure.path);
    ++(failure.verdict == PathFailure::Verdict::kLater ? statistics_.retries
                                                       : statistics_.failures);
  }
  ended_.clear();
  TakeDiscovered(saved);
  statistics_.narinfos_saved += saved.saved;
  statistics_.narinfos_changed += saved.narinfos_changed;
  statistics_.nar_hashes_changed += saved.nar_hashes_changed;
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
  if (!all_ready || (ready_.empty() && rounds_.empty())) {
    store_ahead_ = true;
  }
}

PathFailure ReleaseWalk::DecideFailure(const WalkAnswer& answer, const FrontierPath& path,
                                       bool& held_back) {
  if (const auto* error = std::get_if<Error>(&answer.outcome)) {
    return DecideRefusal(options_.failures, path, *error, random_);
  }
  WalkUpstream& upstream = *upstreams_[answer.upstream];
  const auto& failure = std::get<http::HttpFailure>(answer.outcome);
  if (failure.advice == http::UpstreamAdvice::kStop) {
    upstream.PutOutOfOrder(
        FailedPrecondition("the upstream refuses us altogether: " + failure.message));
    return DecideTransferFailure(options_.failures, path, failure, false, random_);
  }
  const bool own = !IsTransient(failure) || upstream.health().IsOwnFailure(answer.asked_at);
  held_back = !own || failure.advice == http::UpstreamAdvice::kSlowDown;
  return DecideTransferFailure(options_.failures, path, failure, own, random_);
}

Result<std::optional<WalkOutcome>> ReleaseWalk::WhenIdle() {
  if (!AnyAskable()) {
    return std::optional(WalkOutcome{WalkEnd::kWaiting, ShortestWait()});
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
  if (waits_for_others_) {
    store_ahead_ = true;
    return WaitForOthers();
  }
  HNX_TRY(store_.FinishWalk(release_.id));
  CrashPoint("walk.after_finish");
  return std::optional(WalkOutcome{WalkEnd::kFinished, milliseconds(0)});
}

// What is left can only be at upstreams that cannot be asked now.
std::optional<WalkOutcome> ReleaseWalk::WaitForOthers() {
  for (std::size_t i = 0; i < upstreams_.size(); ++i) {
    if (!seen_[i].askable) {
      const auto& trouble = upstreams_[i]->trouble();
      return WalkOutcome{
          WalkEnd::kWaiting, ShortestWait(),
          fmt::format("waits for {}, which alone may have what the other upstreams lack{}",
                      upstreams_[i]->url(), trouble ? ": " + trouble->message : "; it is paused")};
    }
  }
  return std::nullopt;
}

std::size_t ReleaseWalk::UnderWay() const {
  std::size_t sum = 0;
  for (const WalkUpstream* upstream : upstreams_) {
    sum += upstream->under_way();
  }
  return sum;
}

std::size_t ReleaseWalk::Window() const {
  std::size_t window = std::min(WalkUpstream::kWindowMin, options_.walk_window_max);
  for (std::size_t i = 0; i < upstreams_.size(); ++i) {
    if (seen_[i].askable) {
      window = std::max(window, upstreams_[i]->window());
    }
  }
  return window;
}

bool ReleaseWalk::AnyAskable() const {
  return std::any_of(seen_.begin(), seen_.end(),
                     [](const RoundUpstream& upstream) { return upstream.askable; });
}

milliseconds ReleaseWalk::ShortestWait() const {
  milliseconds wait = milliseconds::max();
  for (std::size_t i = 0; i < upstreams_.size(); ++i) {
    if (!seen_[i].askable) {
      wait = std::min(wait, upstreams_[i]->Wait());  // zero when that has ended meanwhile
    }
  }
  return std::max(milliseconds(1), wait);
}

std::optional<Error> ReleaseWalk::AllOutOfOrder() const {
  const bool all = std::all_of(upstreams_.begin(), upstreams_.end(),
                               [](const WalkUpstream* one) { return one->out_of_order(); });
  return all ? upstreams_.front()->trouble() : std::nullopt;
}

}  // namespace hnx::coordinator
