#include "http/http_client.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mutex.h"
#include "http/client_loop.h"

namespace hnx::http {
namespace {

// Gathers a small body in memory; the client has checked it against body_size_max.
class BodyCollector final : public TransferHandler {
 public:
  using Done = std::function<void(HttpResult<HttpResponse>)>;
  explicit BodyCollector(Done done) : done_(std::move(done)) {}

  Result<void> OnHead(const HttpResponseHead& head) override {
    constexpr std::uint64_t kReserveMax = 1024 * 1024;
    body_.reserve(std::min(head.content_length.value_or(0), kReserveMax));
    return {};
  }
  Result<DataVerdict> OnData(ByteView chunk) override {
    body_.append(AsText(chunk));
    return DataVerdict::kContinue;
  }
  void OnDone(HttpOutcome outcome) override {
    if (outcome.failure) {
      done_(tl::unexpected(*std::move(outcome.failure)));
    } else {
      done_(HttpResponse{std::move(outcome.head), std::move(body_)});
    }
  }

 private:
  const Done done_;
  std::string body_;
};

// One waiter, one result.
class Waiter {
 public:
  void Set(HttpResult<HttpResponse> result) HNX_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    result_ = std::move(result);
    changed_.NotifyAll();
  }
  HttpResult<HttpResponse> Wait() HNX_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    while (!result_) {
      changed_.Wait(mutex_);
    }
    return *std::move(result_);
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::optional<HttpResult<HttpResponse>> result_ HNX_GUARDED_BY(mutex_);
};

}  // namespace

HttpClient::HttpClient(HttpClientOptions options, const Clock& clock)
    : loop_(std::make_unique<Loop>(std::move(options), clock)) {}

HttpClient::~HttpClient() = default;

TransferId HttpClient::Start(HttpRequest request, std::shared_ptr<TransferHandler> handler) {
  return loop_->Start(std::move(request), std::move(handler));
}

void HttpClient::Resume(TransferId id) {
  loop_->Resume(id);
}

void HttpClient::Cancel(TransferId id) {
  loop_->Cancel(id);
}

HttpResult<HttpResponse> HttpClient::Fetch(HttpRequest request) {
  HNX_CHECK(!loop_->OnLoopThread());
  // Shared: Set may still be inside the waiter when Wait has returned.
  auto waiter = std::make_shared<Waiter>();
  FetchAsync(std::move(request),
             [waiter](HttpResult<HttpResponse> result) { waiter->Set(std::move(result)); });
  return waiter->Wait();
}

TransferId HttpClient::FetchAsync(HttpRequest request,
                                  std::function<void(HttpResult<HttpResponse>)> done) {
  return Start(std::move(request), std::make_shared<BodyCollector>(std::move(done)));
}

void HttpClient::SetRateLimit(std::uint64_t bytes_per_second) {
  loop_->SetRateLimit(bytes_per_second);
}

HttpClient::Statistics HttpClient::statistics() const {
  return loop_->statistics();
}

const HttpClientOptions& HttpClient::options() const {
  return loop_->options();
}

}  // namespace hnx::http
