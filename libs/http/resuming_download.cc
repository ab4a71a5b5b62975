#include "http/resuming_download.h"

#include <random>
#include <utility>

#include "base/mutex.h"

namespace hnx::http {
namespace {

// What proves that two responses carry the same object.
struct Validator {
  std::string etag;
  std::string last_modified;

  static Validator Of(const HttpHeaders& headers) {
    return {std::string(headers.Get("etag").value_or("")),
            std::string(headers.Get("last-modified").value_or(""))};
  }
  bool empty() const { return etag.empty() && last_modified.empty(); }
  // A weak ETag promises equal meaning, not equal bytes, and may not stand in If-Range.
  std::string ForIfRange() const {
    return !etag.empty() && etag.substr(0, 2) != "W/" ? etag : last_modified;
  }
  bool Proves(const Validator& other) const {
    return etag.empty() ? !last_modified.empty() && last_modified == other.last_modified
                        : etag == other.etag;
  }
};

class Download final : public ResumingDownload,
                       public TransferHandler,
                       public std::enable_shared_from_this<Download> {
 public:
  Download(HttpClient& client, DownloadRequest request, std::shared_ptr<DownloadSink> sink)
      : client_(client),
        request_(std::move(request)),
        sink_(std::move(sink)),
        random_(std::random_device{}()) {}

  void Begin() { StartAttempt(std::chrono::milliseconds(0)); }
  void Resume() override;
  void Cancel() override;

  Result<void> OnHead(const HttpResponseHead& head) override;
  Result<DataVerdict> OnData(ByteView chunk) override;
  void OnDone(HttpOutcome outcome) override;

 private:
  // What OnHead decided about an answer to a resumed request.
  enum class Continuation { kSame, kStartsOver, kUnusable };

  void StartAttempt(std::chrono::milliseconds delay) HNX_EXCLUDES(mutex_);
  void StartLocked(std::chrono::milliseconds delay) HNX_REQUIRES(mutex_);
  Continuation Judge(const HttpResponseHead& head) const;
  Result<void> Restart();
  bool Complete(const HttpOutcome& outcome) const;
  static bool MayTryAgain(const HttpFailure& failure);
  void TryAgain(HttpFailure failure);
  void StartOver(HttpFailure failure);
  void End(std::optional<HttpFailure> failure);

  HttpClient& client_;
  const DownloadRequest request_;

  // The client's thread only.
  std::shared_ptr<DownloadSink> sink_;
  std::mt19937_64 random_;
  bool object_known_ = false;  // the sink was told of the object that is coming
  std::uint64_t offset_ = 0;   // bytes that the sink has taken
  std::optional<std::uint64_t> total_;
  Validator validator_;
  std::uint64_t received_bytes_ = 0;
  bool progressed_ = false;  // this attempt brought bytes
  bool unusable_ = false;    // this attempt's answer cannot continue the object
  int fruitless_ = 0;
  int attempts_ = 0;
  int restarts_ = 0;

  Mutex mutex_;
  TransferId transfer_ HNX_GUARDED_BY(mutex_) = 0;
  std::uint64_t resume_calls_ HNX_GUARDED_BY(mutex_) = 0;
  bool paused_ HNX_GUARDED_BY(mutex_) = false;
  bool attempt_waits_ HNX_GUARDED_BY(mutex_) = false;  // for the sink to be resumed
  bool cancelled_ HNX_GUARDED_BY(mutex_) = false;
  std::uint64_t start_offset_ HNX_GUARDED_BY(mutex_) = 0;
  std::string start_if_range_ HNX_GUARDED_BY(mutex_);
};

void Download::Resume() {
  MutexLock lock(mutex_);
  ++resume_calls_;
  paused_ = false;
  if (std::exchange(attempt_waits_, false)) {
    StartLocked(std::chrono::milliseconds(0));
  } else {
    client_.Resume(transfer_);
  }
}

void Download::Cancel() {
  MutexLock lock(mutex_);
  cancelled_ = true;
  if (std::exchange(attempt_waits_, false)) {
    StartLocked(std::chrono::milliseconds(0));  // so that its end comes from the client's thread
  }
  client_.Cancel(transfer_);
}

void Download::StartAttempt(std::chrono::milliseconds delay) {
  ++attempts_;
  progressed_ = false;
  unusable_ = false;
  MutexLock lock(mutex_);
  start_offset_ = offset_;
  start_if_range_ = validator_.ForIfRange();
  if (paused_ && !cancelled_) {
    attempt_waits_ = true;
  } else {
    StartLocked(delay);
  }
}

void Download::StartLocked(std::chrono::milliseconds delay) {
  HttpRequest request;
  request.url = request_.url;
  request.body_size_max = request_.body_size_max - start_offset_;
  request.redirect_hosts = request_.redirect_hosts;
  request.encoding = request_.encoding;
  request.start_after = delay;
  if (start_offset_ > 0) {
    request.range = ByteRange{start_offset_, std::nullopt};
    request.if_range = start_if_range_;
    request.body_size_max = request_.body_size_max;  // the answer may be the whole object
  }
  transfer_ = client_.Start(std::move(request), shared_from_this());
  if (cancelled_) {
    client_.Cancel(transfer_);
  }
}

Download::Continuation Download::Judge(const HttpResponseHead& head) const {
  if (head.status != 206) {
    return Continuation::kStartsOver;
  }
  // The client has checked that the range starts where we asked.
  const auto range = ParseContentRange(head.headers.Get("content-range").value_or(""));
  const bool same_size = range && (!range->total || !total_ || *range->total == *total_);
  return same_size && validator_.Proves(Validator::Of(head.headers)) ? Continuation::kSame
                                                                     : Continuation::kUnusable;
}

Result<void> Download::Restart() {
  ++restarts_;
  offset_ = 0;
  total_.reset();
  object_known_ = false;
  validator_ = Validator();
  return sink_->OnRestart();
}

Result<void> Download::OnHead(const HttpResponseHead& head) {
  if (offset_ > 0) {
    switch (Judge(head)) {
      case Continuation::kSame:
        return {};
      case Continuation::kUnusable:
        unusable_ = true;
        return Aborted("the answer does not continue the same object");
      case Continuation::kStartsOver:
        if (restarts_ >= request_.restarts_max) {
          return Unavailable("the object had to be restarted more than " +
                             std::to_string(request_.restarts_max) + " times");
        }
        HNX_TRY(Restart());
        break;
    }
  } else if (object_known_) {
    // An earlier attempt ended before its first byte; the object may have changed meanwhile.
    HNX_TRY(sink_->OnRestart());
  }
  validator_ = Validator::Of(head.headers);
  total_ = head.content_length;
  object_known_ = true;
  return sink_->OnObject(total_);
}

Result<DataVerdict> Download::OnData(ByteView chunk) {
  std::uint64_t resume_calls_before = 0;
  {
    MutexLock lock(mutex_);
    resume_calls_before = resume_calls_;
  }
  received_bytes_ += chunk.size();
  if (chunk.size() > request_.body_size_max - offset_) {
    return InvalidArgument("the object is longer than its limit of " +
                           std::to_string(request_.body_size_max) + " bytes");
  }
  HNX_ASSIGN_OR_RETURN(const auto verdict, sink_->OnData(chunk));
  offset_ += chunk.size();
  progressed_ = true;
  if (verdict == DataVerdict::kContinue) {
    return verdict;
  }
  MutexLock lock(mutex_);
  if (resume_calls_ != resume_calls_before) {
    return DataVerdict::kContinue;  // resumed already, while the sink was still answering
  }
  paused_ = true;
  return DataVerdict::kPause;
}

bool Download::Complete(const HttpOutcome& outcome) const {
  if (!outcome.failure) {
    return !total_ || offset_ == *total_;
  }
  if (outcome.failure->code == ErrorCode::kCancelled ||
      outcome.failure->reason == HttpReason::kHandler) {
    return false;
  }
  if (offset_ > 0 && total_ && offset_ == *total_) {
    return true;  // broke behind the last byte
  }
  // Asked for what lies behind the end: `Content-Range: bytes */<size>` tells whether it was one.
  return offset_ > 0 && outcome.failure->status == 416 &&
         outcome.head.headers.Get("content-range") == "bytes */" + std::to_string(offset_);
}

bool Download::MayTryAgain(const HttpFailure& failure) {
  const bool transient =
      failure.code == ErrorCode::kUnavailable || failure.code == ErrorCode::kDeadlineExceeded;
  return transient && failure.reason != HttpReason::kHandler &&
         failure.advice == UpstreamAdvice::kGoOn;
}

void Download::OnDone(HttpOutcome outcome) {
  if (Complete(outcome)) {
    End(std::nullopt);
    return;
  }
  if (!outcome.failure) {
    HttpFailure truncated;
    truncated.code = ErrorCode::kUnavailable;
    truncated.reason = HttpReason::kTruncated;
    truncated.message = "GET " + request_.url + ": ended after " + std::to_string(offset_) +
                        " of " + std::to_string(*total_) + " bytes";
    outcome.failure = std::move(truncated);
  }
  HttpFailure failure = *std::move(outcome.failure);
  fruitless_ = progressed_ ? 0 : fruitless_ + 1;
  if (unusable_ || (offset_ > 0 && failure.reason == HttpReason::kBadRange)) {
    StartOver(std::move(failure));
  } else if (!MayTryAgain(failure)) {
    End(std::move(failure));
  } else if (offset_ > 0 && validator_.ForIfRange().empty()) {
    StartOver(std::move(failure));  // nothing could prove that the rest belongs to the same object
  } else {
    TryAgain(std::move(failure));
  }
}

void Download::StartOver(HttpFailure failure) {
  if (restarts_ >= request_.restarts_max) {
    failure.code = ErrorCode::kUnavailable;
    failure.message += " (restarted " + std::to_string(restarts_) + " times)";
    End(std::move(failure));
    return;
  }
  auto restarted = Restart();
  if (!restarted) {
    failure.code = restarted.error().code;
    failure.reason = HttpReason::kHandler;
    failure.message = "GET " + request_.url + ": " + restarted.error().message;
    End(std::move(failure));
    return;
  }
  TryAgain(std::move(failure));
}

void Download::TryAgain(HttpFailure failure) {
  if (fruitless_ >= request_.retry.attempts_max || attempts_ > request_.resumes_max) {
    failure.message += " (after " + std::to_string(attempts_) + " attempts and " +
                       std::to_string(offset_) + " bytes)";
    End(std::move(failure));
    return;
  }
  StartAttempt(request_.retry.Delay(std::max(1, fruitless_), random_, failure.retry_after));
}

void Download::End(std::optional<HttpFailure> failure) {
  DownloadOutcome outcome;
  outcome.body_bytes = offset_;
  outcome.received_bytes = received_bytes_;
  outcome.attempts = attempts_;
  outcome.restarts = restarts_;
  outcome.etag = validator_.etag;
  outcome.failure = std::move(failure);
  const auto sink = std::move(sink_);
  sink->OnDone(std::move(outcome));
}

}  // namespace

std::shared_ptr<ResumingDownload> ResumingDownload::Start(HttpClient& client,
                                                          DownloadRequest request,
                                                          std::shared_ptr<DownloadSink> sink) {
  auto download = std::make_shared<Download>(client, std::move(request), std::move(sink));
  download->Begin();
  return download;
}

}  // namespace hnx::http
