#include "gateway/fallback/nar_download.h"

#include <algorithm>
#include <utility>

#include <unistd.h>

namespace hnx::gateway {
namespace {

constexpr int kAttemptsMax = 4;
constexpr std::chrono::milliseconds kRetryBase{200};
constexpr std::chrono::milliseconds kRetryCap{2000};

}  // namespace

class NarDownload::Sink final : public http::DownloadSink {
 public:
  explicit Sink(std::shared_ptr<NarDownload> download) : download_(std::move(download)) {}

  Result<void> OnObject(std::optional<std::uint64_t> size_bytes) override {
    if (size_bytes && *size_bytes != download_->size_bytes_) {
      return InvalidArgument("it has " + std::to_string(*size_bytes) + " bytes, not " +
                             std::to_string(download_->size_bytes_) + " as before");
    }
    return {};
  }
  // Bytes may have been handed out; another object cannot take their place.
  Result<void> OnRestart() override {
    return any_ ? Result<void>(InvalidArgument("it changed while it came")) : Result<void>();
  }
  Result<http::DataVerdict> OnData(ByteView chunk) override {
    any_ = true;
    MutexLock lock(download_->mutex_);
    download_->arrived_.push_back({ToBytes(chunk)});
    download_->bytes_waiting_ += chunk.size();
    download_->changed_.NotifyAll();
    download_->paused_ = download_->bytes_waiting_ >= kNarDownloadBytesWaitingMax;
    return download_->paused_ ? http::DataVerdict::kPause : http::DataVerdict::kContinue;
  }
  void OnDone(http::DownloadOutcome outcome) override {
    MutexLock lock(download_->mutex_);
    download_->arrived_.push_back({{}, std::move(outcome)});
    download_->changed_.NotifyAll();
  }

 private:
  const std::shared_ptr<NarDownload> download_;
  bool any_ = false;
};

NarDownload::NarDownload(std::string url, std::uint64_t size_bytes, nix::NarExpectation expectation,
                         UniqueFd file)
    : url_(std::move(url)),
      size_bytes_(size_bytes),
      expectation_(expectation),
      file_(std::move(file)) {}

NarDownload::NarDownload(std::uint64_t size_bytes, UniqueFd file)
    : size_bytes_(size_bytes), file_(std::move(file)) {
  MutexLock lock(mutex_);
  written_ = size_bytes;
  outcome_ = Result<void>();
}

Result<void> NarDownload::Run(http::HttpClient& client) {
  http::DownloadRequest request;
  request.url = url_;
  request.body_size_max = size_bytes_;
  request.retry.base = kRetryBase;
  request.retry.cap = kRetryCap;
  request.retry.attempts_max = kAttemptsMax;
  auto transfer = http::ResumingDownload::Start(client, std::move(request),
                                                std::make_shared<Sink>(shared_from_this()));
  bool cancelled = false;
  {
    MutexLock lock(mutex_);
    transfer_ = transfer;
    cancelled = cancelled_;
  }
  if (cancelled) {
    transfer->Cancel();
  }
  const auto verified = Verify();
  if (!verified) {
    transfer->Cancel();
  }
  MutexLock lock(mutex_);
  transfer_.reset();
  arrived_.clear();
  return verified;
}

NarDownload::Arrived NarDownload::Take() {
  std::shared_ptr<http::ResumingDownload> resume;
  Arrived next;
  {
    MutexLock lock(mutex_);
    while (arrived_.empty()) {
      changed_.Wait(mutex_);
    }
    next = std::move(arrived_.front());
    arrived_.pop_front();
    bytes_waiting_ -= next.bytes.size();
    if (bytes_waiting_ < kNarDownloadBytesWaitingMax / 2 && std::exchange(paused_, false)) {
      resume = transfer_;
    }
  }
  if (resume) {
    resume->Resume();
  }
  return next;
}

Result<void> NarDownload::Verify() {
  HNX_ASSIGN_OR_RETURN(const auto verifier, nix::NarFileVerifier::Create(*expectation_));
  std::uint64_t at = 0;
  for (;;) {
    Arrived next = Take();
    if (next.done) {
      if (next.done->failure) {
        MutexLock lock(mutex_);
        failure_ = next.done->failure;
        return next.done->failure->ToError();
      }
      break;
    }
    HNX_TRY(verifier->Feed(next.bytes));
    HNX_TRY(WriteAt(file_.get(), at, next.bytes));
    at += next.bytes.size();
    MutexLock lock(mutex_);
    written_ = at;
    changed_.NotifyAll();
  }
  HNX_ASSIGN_OR_RETURN(const auto verdict, verifier->Finish());
  if (at != size_bytes_ || verdict.file_hash_drift) {
    return DataLoss(url_ + ": its NAR is right, but its file is not the one of the narinfo");
  }
  return ::fsync(file_.get()) == 0 ? Result<void>() : Result<void>(Errno("sync", url_));
}

void NarDownload::Finish(const Result<void>& outcome) {
  MutexLock lock(mutex_);
  if (!outcome_) {
    outcome_ = outcome;
  }
  changed_.NotifyAll();
}

void NarDownload::Cancel() {
  std::shared_ptr<http::ResumingDownload> transfer;
  {
    MutexLock lock(mutex_);
    cancelled_ = true;
    transfer = transfer_;
  }
  if (transfer) {
    transfer->Cancel();
  }
}

std::optional<http::HttpFailure> NarDownload::failure() const {
  MutexLock lock(mutex_);
  return failure_;
}

Result<std::uint64_t> NarDownload::WaitBeyond(std::uint64_t offset, Clock::SteadyTime until,
                                              const std::atomic<bool>* left) const {
  MutexLock lock(mutex_);
  for (;;) {
    if (outcome_ && !*outcome_) {
      return outcome_->error();
    }
    const std::uint64_t end = outcome_ ? size_bytes_ : std::min(written_, size_bytes_ - 1);
    if (end > offset) {
      return end;
    }
    if (left != nullptr && *left) {
      return Error{ErrorCode::kCancelled, "send " + url_ + ": the client has left"};
    }
    const auto now = Clock::Real().Steady();
    if (now >= until) {
      return Error{ErrorCode::kDeadlineExceeded, url_ + ": nothing of it came for too long"};
    }
    changed_.WaitFor(mutex_, until - now);
  }
}

void NarDownload::Wake() {
  MutexLock lock(mutex_);
  changed_.NotifyAll();
}

}  // namespace hnx::gateway
