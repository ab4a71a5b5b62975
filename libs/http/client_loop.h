// HttpClient::Loop: the thread that owns the curl multi handle. Other threads only append to its
// queue of arrivals and commands and wake it. Internal to libs/http.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <thread>
#include <unordered_map>
#include <vector>

#include <curl/curl.h>

#include "base/mutex.h"
#include "http/client_transfer.h"
#include "http/http_client.h"
#include "http/rate_limiter.h"

namespace hnx::http {

class HttpClient::Loop {
 public:
  Loop(HttpClientOptions options, const Clock& clock);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  TransferId Start(HttpRequest request, std::shared_ptr<TransferHandler> handler);
  void Resume(TransferId id);
  void Cancel(TransferId id);
  void SetRateLimit(std::uint64_t bytes_per_second);
  Statistics statistics() const;
  const HttpClientOptions& options() const { return options_; }
  bool OnLoopThread() const { return std::this_thread::get_id() == loop_thread_; }

 private:
  struct Command {
    enum class Kind { kResume, kCancel } kind;
    TransferId id;
  };

  void Run();
  // False when the loop is to end.
  bool TakeArrivals();
  void Queue(std::unique_ptr<ClientTransfer> transfer);
  void Obey(const Command& command);
  void Continue(ClientTransfer& transfer, bool goes_on);
  void ReleaseDelayed();
  void Admit();
  void AdmitOne(ClientTransfer& transfer);
  void Reap();
  void FailOverdue();
  void ResumeThrottled();
  void Wait();
  std::chrono::milliseconds WaitMax();
  void End(ClientTransfer& transfer, std::optional<HttpFailure> failure);
  void CancelAll();
  void Wake();

  const HttpClientOptions options_;
  const Clock& clock_;
  RateLimiter limiter_;
  const TransferContext context_;
  CURLM* multi_;

  Mutex mutex_;
  std::vector<std::unique_ptr<ClientTransfer>> arrivals_ HNX_GUARDED_BY(mutex_);
  std::vector<Command> commands_ HNX_GUARDED_BY(mutex_);
  bool stop_ HNX_GUARDED_BY(mutex_) = false;
  std::atomic<bool> woken_{false};
  std::atomic<std::uint64_t> rate_limit_{0};
  std::atomic<std::thread::id> loop_thread_{};  // set by the loop itself

  // The rest belongs to the loop's thread.
  std::unordered_map<TransferId, std::unique_ptr<ClientTransfer>> transfers_;
  std::deque<TransferId> waiting_;
  std::multimap<Clock::SteadyTime, TransferId> delayed_;
  std::vector<ClientTransfer*> in_flight_;
  std::vector<CURL*> idle_handles_;
  std::uint64_t rate_applied_ = 0;
  bool any_throttled_ = false;
  Clock::SteadyTime next_deadline_check_;

  std::atomic<TransferId> last_id_{0};
  std::atomic<std::uint64_t> done_{0};
  std::atomic<std::uint64_t> failed_{0};
  std::atomic<std::uint64_t> body_bytes_{0};
  std::atomic<std::uint64_t> in_flight_count_{0};
  std::atomic<std::uint64_t> waiting_count_{0};

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace hnx::http
