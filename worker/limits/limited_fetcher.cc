#include "worker/limits/limited_fetcher.h"

#include <algorithm>
#include <set>
#include <utility>

namespace hnx::worker {
namespace {

using std::chrono::milliseconds;

// Nothing to be done before somebody wakes the thread.
constexpr milliseconds kIdleInterval{1'000};
constexpr milliseconds kWaitMin{1};

}  // namespace

struct LimitedFetcher::Host {
  Host(const Clock& clock, std::size_t window_max) : gate(clock, window_max) {}

  HostGate gate;
  std::list<std::shared_ptr<LimitedTransfer>> waiting;
  std::list<std::shared_ptr<LimitedTransfer>> held;  // paused by the gate
};

// A fetch from its asking to its end; stands between the inner fetcher and the sink.
class LimitedFetcher::LimitedTransfer final : public Transfer,
                                              public http::DownloadSink,
                                              public std::enable_shared_from_this<LimitedTransfer> {
 public:
  LimitedTransfer(LimitedFetcher& fetcher, Host& host, FetchRequest request,
                  std::shared_ptr<http::DownloadSink> sink)
      : fetcher_(fetcher), host_(host), request_(std::move(request)), sink_(std::move(sink)) {}

  void Resume() override {
    std::shared_ptr<Transfer> inner;
    {
      MutexLock lock(fetcher_.mutex_);
      ++resume_calls_;
      paused_by_sink_ = false;
      if (!held_) {
        inner = inner_;
      }
    }
    if (inner != nullptr) {
      inner->Resume();
    }
  }

  void Cancel() override {
    std::shared_ptr<Transfer> inner;
    {
      MutexLock lock(fetcher_.mutex_);
      cancelled_ = true;
      inner = inner_;
    }
    if (inner != nullptr) {
      inner->Cancel();
    } else {
      fetcher_.Wake();  // its end comes from the fetcher's thread
    }
  }

  Result<void> OnObject(std::optional<std::uint64_t> size_bytes) override {
    return sink_->OnObject(size_bytes);
  }
  Result<void> OnRestart() override { return sink_->OnRestart(); }

  Result<http::DataVerdict> OnData(ByteView chunk) override {
    std::uint64_t resume_calls_before = 0;
    {
      MutexLock lock(fetcher_.mutex_);
      resume_calls_before = resume_calls_;
    }
    HNX_ASSIGN_OR_RETURN(const http::DataVerdict verdict, sink_->OnData(chunk));
    bool newly_held = false;
    http::DataVerdict answer = http::DataVerdict::kContinue;
    {
      MutexLock lock(fetcher_.mutex_);
      if (verdict == http::DataVerdict::kPause && resume_calls_ == resume_calls_before) {
        paused_by_sink_ = true;
      }
      host_.gate.OnBytes(chunk.size());
      if (!held_ && !host_.gate.MayRead()) {
        held_ = newly_held = true;
        host_.held.push_back(shared_from_this());
      }
      if (held_ || paused_by_sink_) {
        answer = http::DataVerdict::kPause;
        told_to_pause_ = true;
      }
    }
    if (newly_held) {
      fetcher_.Wake();
    }
    return answer;
  }

  void OnDone(http::DownloadOutcome outcome) override {
    {
      MutexLock lock(fetcher_.mutex_);
      host_.held.remove(shared_from_this());
      held_ = false;
      inner_.reset();
      done_ = true;
      const http::HttpFailure* failure = outcome.failure ? &*outcome.failure : nullptr;
      host_.gate.OnEnded(std::max(0, outcome.attempts - 1), failure);
    }
    fetcher_.Wake();
    std::exchange(sink_, nullptr)->OnDone(std::move(outcome));
  }

  // By the fetcher's thread, when the gate is open.
  void Begin() {
    auto inner = fetcher_.inner_.Start(request_, shared_from_this());
    bool cancel = false;
    bool resume = false;
    {
      MutexLock lock(fetcher_.mutex_);
      if (done_) {
        return;
      }
      inner_ = inner;
      cancel = cancelled_;
      // Let go before there was anything to resume.
      resume = told_to_pause_ && !held_ && !paused_by_sink_;
    }
    if (cancel) {
      inner->Cancel();
    } else if (resume) {
      inner->Resume();
    }
  }

  // By the fetcher's thread: it was cancelled before it began.
  void EndCancelled() {
    http::HttpFailure failure;
    failure.code = ErrorCode::kCancelled;
    failure.reason = http::HttpReason::kCancelled;
    failure.message = "GET " + request_.url + ": cancelled";
    http::DownloadOutcome outcome;
    outcome.failure = std::move(failure);
    std::exchange(sink_, nullptr)->OnDone(std::move(outcome));
  }

  // Under the fetcher's lock.
  bool cancelled() const { return cancelled_; }
  // No longer held by the gate: what to resume, if its sink wants more.
  std::shared_ptr<Transfer> LetGo() {
    held_ = false;
    return paused_by_sink_ ? nullptr : inner_;
  }

 private:
  LimitedFetcher& fetcher_;
  Host& host_;
  const FetchRequest request_;
  std::shared_ptr<http::DownloadSink> sink_;
  // Guarded by the fetcher's lock.
  std::shared_ptr<Transfer> inner_;
  std::uint64_t resume_calls_ = 0;
  bool paused_by_sink_ = false;
  bool held_ = false;
  bool told_to_pause_ = false;  // at any time
  bool cancelled_ = false;
  bool done_ = false;
};

LimitedFetcher::LimitedFetcher(Fetcher& inner, std::size_t window_max, const Clock& clock)
    : LoopService("hnx-limits"), inner_(inner), window_max_(window_max), clock_(clock) {
  LoopService::Start();
}

LimitedFetcher::~LimitedFetcher() {
  LoopService::Stop();
}

LimitedFetcher::Host& LimitedFetcher::HostNamed(const std::string& name) {
  auto& host = hosts_[name];
  if (host == nullptr) {
    host = std::make_unique<Host>(clock_, window_max_);
  }
  return *host;
}

std::shared_ptr<Transfer> LimitedFetcher::Start(const FetchRequest& request,
                                                std::shared_ptr<http::DownloadSink> sink) {
  const std::string name = HostOfUrl(request.url);
  if (name.empty()) {
    return inner_.Start(request, std::move(sink));
  }
  std::shared_ptr<LimitedTransfer> transfer;
  {
    MutexLock lock(mutex_);
    Host& host = HostNamed(name);
    transfer = std::make_shared<LimitedTransfer>(*this, host, request, std::move(sink));
    host.waiting.push_back(transfer);
  }
  Wake();
  return transfer;
}

void LimitedFetcher::Apply(const std::vector<HostLimit>& limits, Clock::SteadyTime sent) {
  {
    MutexLock lock(mutex_);
    for (const HostLimit& limit : limits) {
      HostNamed(limit.host).gate.Apply(limit, sent);
    }
  }
  Wake();
}

void LimitedFetcher::UnlimitOthers(const std::vector<HostLimit>& limits) {
  std::set<std::string> named;
  for (const HostLimit& limit : limits) {
    named.insert(limit.host);
  }
  {
    MutexLock lock(mutex_);
    for (auto& [name, host] : hosts_) {
      if (!named.contains(name)) {
        host->gate.Unlimit();
      }
    }
  }
  Wake();
}

std::vector<HostUse> LimitedFetcher::Use() const {
  MutexLock lock(mutex_);
  std::vector<HostUse> uses;
  for (const auto& [name, host] : hosts_) {
    if (host->gate.limited()) {
      uses.push_back(host->gate.Use());
    }
  }
  return uses;
}

milliseconds LimitedFetcher::RunOnce() {
  std::vector<std::shared_ptr<LimitedTransfer>> begin;
  std::vector<std::shared_ptr<LimitedTransfer>> cancelled;
  std::vector<std::shared_ptr<Transfer>> resume;
  milliseconds wait = kIdleInterval;
  {
    MutexLock lock(mutex_);
    for (auto& [name, host] : hosts_) {
      for (auto at = host->waiting.begin(); at != host->waiting.end();) {
        if ((*at)->cancelled()) {
          cancelled.push_back(*at);
        } else if (host->gate.MayStart()) {
          host->gate.OnStarted();
          begin.push_back(*at);
        } else {
          ++at;
          continue;
        }
        at = host->waiting.erase(at);
      }
      if (host->gate.MayRead()) {
        for (const auto& transfer : host->held) {
          if (auto inner = transfer->LetGo(); inner != nullptr) {
            resume.push_back(std::move(inner));
          }
        }
        host->held.clear();
      }
      const bool anything_waits = !host->waiting.empty() || !host->held.empty();
      if (const auto until = host->gate.Wait(); anything_waits && until) {
        wait = std::min(wait, std::max(kWaitMin, *until));
      }
    }
  }
  for (const auto& transfer : resume) {
    transfer->Resume();
  }
  for (const auto& transfer : cancelled) {
    transfer->EndCancelled();
  }
  for (const auto& transfer : begin) {
    transfer->Begin();
  }
  return wait;
}

}  // namespace hnx::worker
