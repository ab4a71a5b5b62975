#include "http/client_loop.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "base/service.h"

namespace hnx::http {
namespace {

constexpr std::chrono::milliseconds kDeadlineCheckInterval{200};
constexpr std::chrono::milliseconds kIdleWait{10'000};

void SetUpCurlOnce() {
  static std::once_flag once;
  std::call_once(once, [] { HNX_CHECK(::curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); });
}

CURLM* NewMulti(const HttpClientOptions& options) {
  SetUpCurlOnce();
  CURLM* multi = ::curl_multi_init();
  HNX_CHECK(multi != nullptr);
  ::curl_multi_setopt(multi, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_MULTIPLEX));
  ::curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                      static_cast<long>(options.connections_per_host_max));
  ::curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                      static_cast<long>(options.connections_max));
  ::curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, static_cast<long>(options.connections_max));
  return multi;
}

}  // namespace

HttpClient::Loop::Loop(HttpClientOptions options, const Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      limiter_(clock),
      context_{options_, clock_, limiter_},
      multi_(NewMulti(options_)),
      next_deadline_check_(clock.Steady()),
      thread_([this] { Run(); }) {}

HttpClient::Loop::~Loop() {
  {
    MutexLock lock(mutex_);
    stop_ = true;
  }
  Wake();
  thread_.join();
  for (CURL* handle : idle_handles_) {
    ::curl_easy_cleanup(handle);
  }
  ::curl_multi_cleanup(multi_);
}

TransferId HttpClient::Loop::Start(HttpRequest request, std::shared_ptr<TransferHandler> handler) {
  const TransferId id = ++last_id_;
  handler->OnBegin(id);
  auto transfer =
      std::make_unique<ClientTransfer>(id, std::move(request), std::move(handler), context_);
  ++waiting_count_;
  {
    MutexLock lock(mutex_);
    arrivals_.push_back(std::move(transfer));
  }
  Wake();
  return id;
}

void HttpClient::Loop::Resume(TransferId id) {
  {
    MutexLock lock(mutex_);
    commands_.push_back({Command::Kind::kResume, id});
  }
  Wake();
}

void HttpClient::Loop::Cancel(TransferId id) {
  {
    MutexLock lock(mutex_);
    commands_.push_back({Command::Kind::kCancel, id});
  }
  Wake();
}

void HttpClient::Loop::SetRateLimit(std::uint64_t bytes_per_second) {
  rate_limit_ = bytes_per_second;
  Wake();
}

// One wake-up call per sleep is enough, and it is a system call.
void HttpClient::Loop::Wake() {
  if (!woken_.exchange(true) && !OnLoopThread()) {
    ::curl_multi_wakeup(multi_);
  }
}

HttpClient::Statistics HttpClient::Loop::statistics() const {
  Statistics statistics;
  statistics.transfers_started = last_id_;
  statistics.transfers_done = done_;
  statistics.transfers_failed = failed_;
  statistics.body_bytes = body_bytes_;
  statistics.in_flight = in_flight_count_;
  statistics.waiting = waiting_count_;
  return statistics;
}

void HttpClient::Loop::Run() {
  NameThisThread("http-client");
  loop_thread_ = std::this_thread::get_id();
  while (TakeArrivals()) {
    ReleaseDelayed();
    Admit();
    int running = 0;
    ::curl_multi_perform(multi_, &running);
    Reap();
    FailOverdue();
    ResumeThrottled();
    Wait();
  }
}

bool HttpClient::Loop::TakeArrivals() {
  woken_ = false;
  std::vector<std::unique_ptr<ClientTransfer>> arrivals;
  std::vector<Command> commands;
  bool stop = false;
  {
    MutexLock lock(mutex_);
    arrivals.swap(arrivals_);
    commands.swap(commands_);
    stop = stop_;
  }
  if (const auto rate = rate_limit_.load(); rate != rate_applied_) {
    rate_applied_ = rate;
    limiter_.SetRate(rate);
  }
  for (auto& transfer : arrivals) {
    Queue(std::move(transfer));
  }
  for (const auto& command : commands) {
    Obey(command);
  }
  if (!stop) {
    return true;
  }
  CancelAll();
  MutexLock lock(mutex_);
  return !arrivals_.empty();  // a handler may have started another transfer in its OnDone
}

void HttpClient::Loop::Queue(std::unique_ptr<ClientTransfer> transfer) {
  ClientTransfer& queued = *transfer;
  transfers_.emplace(queued.id(), std::move(transfer));
  if (waiting_.size() + delayed_.size() >= options_.waiting_max) {
    End(queued, queued.Failure(ErrorCode::kResourceExhausted, HttpReason::kCancelled,
                               "more than " + std::to_string(options_.waiting_max) +
                                   " transfers are waiting"));
  } else if (queued.request().start_after > std::chrono::milliseconds(0)) {
    delayed_.emplace(clock_.Steady() + queued.request().start_after, queued.id());
  } else {
    waiting_.push_back(queued.id());
  }
}

void HttpClient::Loop::Obey(const Command& command) {
  const auto found = transfers_.find(command.id);
  if (found == transfers_.end()) {
    return;
  }
  ClientTransfer& transfer = *found->second;
  if (command.kind == Command::Kind::kResume) {
    Continue(transfer, transfer.ResumeByUser());
  } else {
    End(transfer, transfer.Failure(ErrorCode::kCancelled, HttpReason::kCancelled, "cancelled"));
  }
}

void HttpClient::Loop::ReleaseDelayed() {
  const auto now = clock_.Steady();
  while (!delayed_.empty() && delayed_.begin()->first <= now) {
    waiting_.push_back(delayed_.begin()->second);
    delayed_.erase(delayed_.begin());
  }
}

void HttpClient::Loop::Admit() {
  const auto in_flight_max = static_cast<std::size_t>(options_.in_flight_max);
  while (!waiting_.empty() && in_flight_.size() < in_flight_max) {
    const auto found = transfers_.find(waiting_.front());
    waiting_.pop_front();
    if (found != transfers_.end()) {
      AdmitOne(*found->second);
    }
  }
}

void HttpClient::Loop::AdmitOne(ClientTransfer& transfer) {
  CURL* handle = nullptr;
  if (idle_handles_.empty()) {
    handle = ClientTransfer::NewHandle(options_);
    HNX_CHECK(handle != nullptr);
  } else {
    handle = idle_handles_.back();
    idle_handles_.pop_back();
  }
  auto attached = transfer.Attach(handle);
  if (!attached) {
    idle_handles_.push_back(handle);
    End(transfer,
        transfer.Failure(attached.error().code, HttpReason::kBadRequest, attached.error().message));
    return;
  }
  in_flight_.push_back(&transfer);
  ++in_flight_count_;
  --waiting_count_;
  HNX_CHECK(::curl_multi_add_handle(multi_, handle) == CURLM_OK);
}

void HttpClient::Loop::Reap() {
  int left = 0;
  while (const CURLMsg* message = ::curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) {
      continue;
    }
    char* owner = nullptr;
    ::curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
    HNX_CHECK(owner != nullptr);
    auto& transfer = *static_cast<ClientTransfer*>(static_cast<void*>(owner));
    if (transfer.OnCurlDone(message->data.result)) {
      CURL* handle = transfer.handle();
      ::curl_multi_remove_handle(multi_, handle);
      HNX_CHECK(::curl_multi_add_handle(multi_, handle) == CURLM_OK);
    } else {
      End(transfer, std::nullopt);
    }
  }
}

// Destroys the transfer.
void HttpClient::Loop::End(ClientTransfer& transfer, std::optional<HttpFailure> failure) {
  if (CURL* handle = transfer.Detach(); handle != nullptr) {
    ::curl_multi_remove_handle(multi_, handle);
    idle_handles_.push_back(handle);
    const auto place = std::find(in_flight_.begin(), in_flight_.end(), &transfer);
    HNX_CHECK(place != in_flight_.end());
    *place = in_flight_.back();
    in_flight_.pop_back();
    --in_flight_count_;
  } else {
    --waiting_count_;
  }
  const auto node = transfers_.extract(transfer.id());
  body_bytes_ += transfer.body_bytes();
  ++done_;
  failed_ += transfer.failing() || failure ? 1 : 0;
  transfer.Finish(std::move(failure));
}

void HttpClient::Loop::FailOverdue() {
  const auto now = clock_.Steady();
  if (now < next_deadline_check_) {
    return;
  }
  next_deadline_check_ = now + kDeadlineCheckInterval;
  std::vector<std::pair<ClientTransfer*, HttpFailure>> overdue;
  for (ClientTransfer* transfer : in_flight_) {
    if (auto failure = transfer->CheckDeadline()) {
      overdue.emplace_back(transfer, *std::move(failure));
    }
  }
  for (auto& [transfer, failure] : overdue) {
    End(*transfer, std::move(failure));
  }
}

void HttpClient::Loop::ResumeThrottled() {
  if (rate_applied_ == 0 && !any_throttled_) {
    return;
  }
  any_throttled_ = false;
  const bool may_read = limiter_.Wait() == std::chrono::milliseconds(0);
  const std::vector<ClientTransfer*> in_flight = in_flight_;
  for (ClientTransfer* transfer : in_flight) {
    any_throttled_ = any_throttled_ || transfer->throttled();
    if (transfer->throttled() && may_read) {
      Continue(*transfer, transfer->ResumeByLimiter());
    }
  }
}

// Bytes that curl held back while a transfer was paused are delivered, and may be refused, inside
// the call that continues it.
void HttpClient::Loop::Continue(ClientTransfer& transfer, bool goes_on) {
  if (!goes_on) {
    End(transfer, std::nullopt);
  }
}

std::chrono::milliseconds HttpClient::Loop::WaitMax() {
  const auto in_flight_max = static_cast<std::size_t>(options_.in_flight_max);
  if (!waiting_.empty() && in_flight_.size() < in_flight_max) {
    return std::chrono::milliseconds(0);
  }
  auto wait = in_flight_.empty() ? kIdleWait : kDeadlineCheckInterval;
  if (!delayed_.empty()) {
    const auto due =
        std::chrono::ceil<std::chrono::milliseconds>(delayed_.begin()->first - clock_.Steady());
    wait = std::clamp(due, std::chrono::milliseconds(0), wait);
  }
  if (any_throttled_) {
    wait = std::min(wait, std::max(limiter_.Wait(), std::chrono::milliseconds(1)));
  }
  return wait;
}

void HttpClient::Loop::Wait() {
  if (woken_) {
    return;
  }
  const auto wait = WaitMax();
  if (wait == std::chrono::milliseconds(0)) {
    return;
  }
  ::curl_multi_poll(multi_, nullptr, 0, static_cast<int>(wait.count()), nullptr);
}

void HttpClient::Loop::CancelAll() {
  while (!transfers_.empty()) {
    ClientTransfer& transfer = *transfers_.begin()->second;
    End(transfer, transfer.Failure(ErrorCode::kCancelled, HttpReason::kCancelled,
                                   "cancelled: the client stops"));
  }
  waiting_.clear();
  delayed_.clear();
}

}  // namespace hnx::http
