#include "worker/lost/lost_nar_fetcher.h"

#include <utility>

#include "base/log.h"
#include "base/mutex.h"

namespace hnx::worker {

// Reads from peers on a thread of the pool; when that fails, hands the sink on to upstream.
class LostNarFetcher::PeerTransfer final : public Transfer,
                                           public std::enable_shared_from_this<PeerTransfer> {
 public:
  PeerTransfer(LostNarFetcher& fetcher, FetchRequest request,
               std::shared_ptr<http::DownloadSink> sink)
      : fetcher_(fetcher), request_(std::move(request)), sink_(std::move(sink)) {}

  void Resume() override {
    std::shared_ptr<Transfer> upstream;
    {
      MutexLock lock(mutex_);
      ++resumed_;
      changed_.NotifyAll();
      upstream = upstream_;
    }
    if (upstream != nullptr) {
      upstream->Resume();
    }
  }

  void Cancel() override {
    cancellation_->Cancel();
    std::shared_ptr<Transfer> upstream;
    {
      MutexLock lock(mutex_);
      changed_.NotifyAll();
      upstream = upstream_;
    }
    if (upstream != nullptr) {
      upstream->Cancel();
    }
  }

  void Run() {
    const Result<std::uint64_t> read =
        cancellation_->cancelled() ? Error{ErrorCode::kCancelled, "cancelled"} : ReadFromPeers();
    if (read.has_value()) {
      http::DownloadOutcome outcome;
      outcome.body_bytes = *read;
      outcome.received_bytes = *read;
      outcome.attempts = 1;
      sink_->OnDone(std::move(outcome));
      return;
    }
    if (cancellation_->cancelled()) {
      EndWith({ErrorCode::kCancelled, request_.url + ": cancelled"}, http::HttpReason::kCancelled);
      return;
    }
    if (refused_by_sink_) {
      EndWith(read.error(), http::HttpReason::kHandler);
      return;
    }
    Log("lost")->debug("{} of lost shard {}: {}; upstream is asked", request_.url,
                       request_.lost->shard.id(), read.error().message);
    AskUpstream();
  }

 private:
  Result<std::uint64_t> ReadFromPeers() {
    const LostPlace& place = *request_.lost;
    if (place.blob.byte_length > request_.body_size_max) {
      return InvalidArgument("the place where it lay is larger than the NAR can be");
    }
    HNX_ASSIGN_OR_RETURN(const auto shard, fetcher_.shards_->Find(place, cancellation_));
    hyper::ReadLimits limits;
    limits.stall_max = kLostStallMax;
    limits.cancellation = cancellation_;
    HNX_ASSIGN_OR_RETURN(const auto view, shard->View(limits));
    if (Result<void> taken = sink_->OnObject(place.blob.byte_length); !taken.has_value()) {
      refused_by_sink_ = true;
      return taken.error();
    }
    const Result<void> read = view->ReadBlob(place.blob, 0, place.blob.byte_length,
                                             [this](ByteView piece) { return Give(piece); });
    LostShards::GiveBack(*shard, place.blob);
    HNX_TRY(read);
    Log("lost")->info("{} came from peers: {} bytes of lost shard {}", request_.url,
                      place.blob.byte_length, place.shard.id());
    return place.blob.byte_length;
  }

  // Waits here while the sink is full.
  Result<void> Give(ByteView piece) {
    std::uint64_t resumed = 0;
    {
      MutexLock lock(mutex_);
      resumed = resumed_;
    }
    gave_any_ = true;
    const Result<http::DataVerdict> verdict = sink_->OnData(piece);
    if (!verdict.has_value()) {
      refused_by_sink_ = true;
      return verdict.error();
    }
    if (*verdict == http::DataVerdict::kPause) {
      MutexLock lock(mutex_);
      while (resumed_ == resumed && !cancellation_->cancelled()) {
        changed_.Wait(mutex_);
      }
    }
    return cancellation_->cancelled() ? Result<void>(Error{ErrorCode::kCancelled, "cancelled"})
                                      : Result<void>();
  }

  void AskUpstream() {
    if (gave_any_) {
      if (const Result<void> again = sink_->OnRestart(); !again.has_value()) {
        EndWith(again.error(), http::HttpReason::kHandler);
        return;
      }
    }
    std::uint64_t resumed = 0;
    {
      MutexLock lock(mutex_);
      resumed = resumed_;
    }
    auto upstream = fetcher_.inner_.Start(request_, sink_);
    bool resume = false;
    {
      MutexLock lock(mutex_);
      upstream_ = upstream;
      resume = resumed_ != resumed;
    }
    if (cancellation_->cancelled()) {
      upstream->Cancel();
    } else if (resume) {
      upstream->Resume();
    }
  }

  void EndWith(const Error& error, http::HttpReason reason) {
    http::DownloadOutcome outcome;
    http::HttpFailure failure;
    failure.code = error.code;
    failure.reason = reason;
    failure.message = error.message;
    outcome.failure = std::move(failure);
    sink_->OnDone(std::move(outcome));
  }

  LostNarFetcher& fetcher_;
  const FetchRequest request_;
  const std::shared_ptr<http::DownloadSink> sink_;
  const std::shared_ptr<hyper::Cancellation> cancellation_ =
      std::make_shared<hyper::Cancellation>();
  // Of the pool's thread.
  bool gave_any_ = false;
  bool refused_by_sink_ = false;
  Mutex mutex_;
  CondVar changed_;
  std::uint64_t resumed_ HNX_GUARDED_BY(mutex_) = 0;
  std::shared_ptr<Transfer> upstream_ HNX_GUARDED_BY(mutex_);
};

LostNarFetcher::LostNarFetcher(Fetcher& inner, std::unique_ptr<LostShards> shards,
                               std::size_t waiting_max)
    : inner_(inner), shards_(std::move(shards)), pool_("hnx-lost", kLostReadsMax, waiting_max) {}

std::shared_ptr<Transfer> LostNarFetcher::Start(const FetchRequest& request,
                                                std::shared_ptr<http::DownloadSink> sink) {
  if (!request.lost) {
    return inner_.Start(request, std::move(sink));
  }
  auto transfer = std::make_shared<PeerTransfer>(*this, request, sink);
  if (!pool_.Submit([transfer] { transfer->Run(); })) {
    return inner_.Start(request, std::move(sink));
  }
  return transfer;
}

}  // namespace hnx::worker
