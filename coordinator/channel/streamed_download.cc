#include "coordinator/channel/streamed_download.h"

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "base/mutex.h"

namespace hnx::coordinator {
namespace {

// What happened, in order, on its way from the client's thread to the consumer's.
struct Step {
  bool restart = false;
  Bytes chunk;
};

class BufferedSink final : public http::DownloadSink {
 public:
  Result<void> OnRestart() override {
    MutexLock lock(mutex_);
    steps_.clear();
    buffered_bytes_ = 0;
    steps_.push_back({true, {}});
    changed_.NotifyAll();
    return {};
  }
  Result<http::DataVerdict> OnData(ByteView chunk) override {
    MutexLock lock(mutex_);
    steps_.push_back({false, ToBytes(chunk)});
    buffered_bytes_ += chunk.size();
    changed_.NotifyAll();
    return buffered_bytes_ >= kBufferedBytesMax ? http::DataVerdict::kPause
                                                : http::DataVerdict::kContinue;
  }
  void OnDone(http::DownloadOutcome outcome) override {
    MutexLock lock(mutex_);
    outcome_ = std::move(outcome);
    changed_.NotifyAll();
  }

  // Nothing after `timeout`, or when all was taken and the download is over.
  std::optional<Step> Pop(std::chrono::milliseconds timeout) {
    MutexLock lock(mutex_);
    if (steps_.empty() && !outcome_) {
      changed_.WaitFor(mutex_, timeout);
    }
    if (steps_.empty()) {
      return std::nullopt;
    }
    Step step = std::move(steps_.front());
    steps_.pop_front();
    buffered_bytes_ -= step.chunk.size();
    return step;
  }
  // Once everything was popped.
  std::optional<http::DownloadOutcome> outcome() {
    MutexLock lock(mutex_);
    return steps_.empty() ? outcome_ : std::nullopt;
  }
  bool has_room() {
    MutexLock lock(mutex_);
    return buffered_bytes_ < kBufferedBytesMax / 2;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::deque<Step> steps_ HNX_GUARDED_BY(mutex_);
  std::size_t buffered_bytes_ HNX_GUARDED_BY(mutex_) = 0;
  std::optional<http::DownloadOutcome> outcome_ HNX_GUARDED_BY(mutex_);
};

// Cancels when the consumer gives up.
class CancelOnExit {
 public:
  explicit CancelOnExit(http::ResumingDownload& download) : download_(download) {}
  ~CancelOnExit() { download_.Cancel(); }
  CancelOnExit(const CancelOnExit&) = delete;
  CancelOnExit& operator=(const CancelOnExit&) = delete;

 private:
  http::ResumingDownload& download_;
};

}  // namespace

Result<std::uint64_t> DownloadInto(http::HttpClient& client, http::DownloadRequest request,
                                   const DownloadConsumer& consumer) {
  constexpr std::chrono::milliseconds kPollInterval{200};
  HNX_TRY(consumer.begin());
  const auto sink = std::make_shared<BufferedSink>();
  const auto download = http::ResumingDownload::Start(client, std::move(request), sink);
  const CancelOnExit cancel(*download);
  for (;;) {
    const std::optional<Step> step = sink->Pop(kPollInterval);
    if (step) {
      HNX_TRY(step->restart ? consumer.begin() : consumer.take(step->chunk));
      if (sink->has_room()) {
        download->Resume();
      }
    } else if (const auto outcome = sink->outcome()) {
      if (outcome->failure) {
        return outcome->failure->ToError();
      }
      return outcome->body_bytes;
    }
    if (consumer.stopping()) {
      return Error{ErrorCode::kCancelled, "the coordinator is stopping"};
    }
  }
}

}  // namespace hnx::coordinator
