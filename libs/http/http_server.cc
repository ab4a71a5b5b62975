#include "http/http_server.h"

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <microhttpd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mutex.h"
#include "http/connection_watch.h"
#include "http/deferred_response.h"
#include "http/listen_socket.h"
#include "http/parked_connections.h"
#include "http/request_rules.h"
#include "http/server_loop.h"
#include "http/server_request.h"
#include "http/server_response.h"
#include "http/work_pool.h"

namespace hnx::http {
namespace {

// Connections of one thread that were told to go and are still open.
constexpr unsigned kConnectionsGoingMax = 64;

ServerResponse BusyResponse(const char* why) {
  auto response = TextResponse(503, std::string(why) + "\n");
  response.headers.push_back({"Cache-Control", "no-store"});
  response.headers.push_back({"Retry-After", "1"});
  return response;
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(HttpServerOptions options, Handler handler, std::string address)
      : options_(std::move(options)),
        handler_(std::move(handler)),
        address_(std::move(address)),
        limits_(LimitsOf(options_)),
        table_(limits_),
        watch_(table_, limits_.wait_max),
        waiters_("http-wait", options_.waiters_max, options_.queue_max),
        streams_("http-stream", options_.streams_max, options_.queue_max) {}

  Result<void> Start(UniqueFd listener);
  void Stop();

  const std::string& address() const { return address_; }
  std::size_t connections() const { return table_.open(); }
  std::uint64_t in_flight() const { return in_flight_; }
  std::size_t waiting() const { return waiters_.running() + waiters_.queued(); }
  std::size_t streaming() const { return streams_.running() + streams_.queued(); }
  ConnectionCounts closed() const { return table_.counts(); }

 private:
  // What lives as long as one request: the prepared answer it is sending, or the one to come.
  struct Exchange {
    std::shared_ptr<const PreparedResponse> prepared;
    std::shared_ptr<DeferredResponse> deferred;
    bool is_head = false;
  };

  static MHD_Result OnRequest(void* self, MHD_Connection* connection, const char* url,
                              const char* method, const char* version, const char* upload,
                              std::size_t* upload_size, void** state);
  static void OnCompleted(void* self, MHD_Connection* connection, void** state,
                          MHD_RequestTerminationCode why);
  static MHD_Result OnAccept(void* self, const sockaddr* from, socklen_t size);
  static void OnConnection(void* self, MHD_Connection* connection, void** context,
                           MHD_ConnectionNotificationCode what);
  ServerLoop& LoopOf(MHD_Connection* connection) const;
  MHD_Result Send(MHD_Connection* connection, ServerResponse response, Exchange& exchange);
  // Finds the answer on another thread.
  MHD_Result Defer(MHD_Connection* connection, std::function<ServerResponse()> later,
                   Exchange& exchange);
  MHD_Result SendDeferred(MHD_Connection* connection, Exchange& exchange);
  // nullopt: no thread is free for it, nor place to wait for one.
  std::optional<ResponseHandle> StartStream(MHD_Connection* connection, StreamedBody body,
                                            const Exchange& exchange);

  const HttpServerOptions options_;
  const Handler handler_;
  const std::string address_;
  const ConnectionLimits limits_;
  ConnectionTable table_;
  ConnectionWatch watch_;
  std::atomic<std::uint64_t> in_flight_{0};
  std::atomic<bool> draining_{false};
  Mutex mutex_;
  CondVar drained_;
  bool stopping_ HNX_GUARDED_BY(mutex_) = false;
  std::vector<std::unique_ptr<ServerLoop>> loops_;
  // Shared with work that may end after the server.
  const std::shared_ptr<ParkedConnections> parked_ = std::make_shared<ParkedConnections>();
  const std::shared_ptr<BodyPipeBudget> pipes_ = std::make_shared<BodyPipeBudget>();
  WorkPool waiters_;
  WorkPool streams_;
};

Result<void> HttpServer::Impl::Start(UniqueFd listener) {
  const unsigned threads = std::max(1U, options_.threads);
  ServerLoopLimits limits;
  // Above the table's limit, so that it is the table that makes room.
  limits.connections_max =
      static_cast<unsigned>(limits_.connections_max) / threads + kConnectionsGoingMax;
  limits.idle_timeout = options_.idle_timeout;
  limits.head_size_max = options_.request_head_size_max;
  const ServerCallbacks callbacks{this, &Impl::OnAccept, &Impl::OnRequest, &Impl::OnCompleted,
                                  &Impl::OnConnection};
  while (loops_.size() < threads) {
    UniqueFd shared(::fcntl(listener.get(), F_DUPFD_CLOEXEC, 0));
    if (!shared.valid()) {
      return Errno("start the HTTP server on", address_);
    }
    auto loop = ServerLoop::Make(std::move(shared), limits, callbacks);
    if (!loop) {
      return Internal("start the HTTP server on " + address_ + ": " + loop.error().message);
    }
    loops_.push_back(*std::move(loop));
  }
  parked_->OnResume([this](MHD_Connection* connection) { LoopOf(connection).Interrupt(); });
  for (const auto& loop : loops_) {
    loop->Start();
  }
  watch_.Start();
  return {};
}

ServerLoop& HttpServer::Impl::LoopOf(MHD_Connection* connection) const {
  const auto* info = ::MHD_get_connection_info(connection, MHD_CONNECTION_INFO_DAEMON);
  HNX_CHECK(info != nullptr);
  const auto found = std::find_if(loops_.begin(), loops_.end(), [info](const auto& loop) {
    return loop->daemon() == info->daemon;
  });
  HNX_CHECK(found != loops_.end());
  return **found;
}

void HttpServer::Impl::Stop() {
  {
    MutexLock lock(mutex_);
    if (std::exchange(stopping_, true)) {
      return;
    }
  }
  // Not MHD_quiesce_daemon, which must not come while a loop is at work. Newcomers are told to
  // come again instead.
  draining_ = true;
  {
    const auto deadline = std::chrono::steady_clock::now() + options_.drain_timeout;
    MutexLock lock(mutex_);
    while (in_flight_ > 0 && std::chrono::steady_clock::now() < deadline) {
      drained_.WaitFor(mutex_, deadline - std::chrono::steady_clock::now());
    }
  }
  watch_.Stop();
  parked_->Close();
  loops_.clear();
  waiters_.Stop();
  streams_.Stop();
}

MHD_Result HttpServer::Impl::OnRequest(void* self, MHD_Connection* connection, const char* url,
                                       const char* method, const char* /*version*/,
                                       const char* /*upload*/, std::size_t* upload_size,
                                       void** state) {
  auto& server = *static_cast<Impl*>(self);
  auto* exchange = static_cast<Exchange*>(*state);
  if (exchange == nullptr) {
    // The head has come. An answer now refuses what would follow and ends the connection; otherwise
    // the library calls again when the request is complete.
    exchange = std::make_unique<Exchange>().release();  // OnCompleted deletes it
    *state = exchange;
    ++server.in_flight_;
    server.table_.OnRequest(connection, Clock::Real().Steady());
    auto refusal = server.draining_ ? std::optional(BusyResponse("the server stops"))
                                    : RefuseRequest(connection, method);
    return refusal ? server.Send(connection, *std::move(refusal), *exchange) : MHD_YES;
  }
  if (*upload_size > 0) {
    *upload_size = 0;  // the rest of what was refused
    return MHD_YES;
  }
  if (exchange->deferred) {
    return server.SendDeferred(connection, *exchange);
  }
  const auto kind = std::string_view(method) == "GET" ? HttpMethod::kGet : HttpMethod::kHead;
  exchange->is_head = kind == HttpMethod::kHead;
  auto response = server.handler_(MhdRequest(connection, kind, url));
  return response.later ? server.Defer(connection, std::move(response.later), *exchange)
                        : server.Send(connection, std::move(response), *exchange);
}

MHD_Result HttpServer::Impl::Defer(MHD_Connection* connection,
                                   std::function<ServerResponse()> later, Exchange& exchange) {
  exchange.deferred = std::make_shared<DeferredResponse>();
  const bool taken = waiters_.Submit(
      [deferred = exchange.deferred, parked = parked_, connection, later = std::move(later)] {
        deferred->Put(later(), [&parked, connection] { parked->Resume(connection); });
      });
  if (!taken) {
    exchange.deferred.reset();
    return Send(connection, BusyResponse("too many requests wait"), exchange);
  }
  return SendDeferred(connection, exchange);
}

// Called again whenever the connection was resumed, also for no reason.
MHD_Result HttpServer::Impl::SendDeferred(MHD_Connection* connection, Exchange& exchange) {
  bool stopping = false;
  auto response = exchange.deferred->TakeOr(
      [this, connection, &stopping] { stopping = !parked_->Park(connection); });
  if (!response && !stopping) {
    return MHD_YES;
  }
  exchange.deferred.reset();
  if (!response) {
    return Send(connection, BusyResponse("the server stops"), exchange);
  }
  HNX_CHECK(!response->later);
  return Send(connection, *std::move(response), exchange);
}

std::optional<ResponseHandle> HttpServer::Impl::StartStream(MHD_Connection* connection,
                                                            StreamedBody body,
                                                            const Exchange& exchange) {
  auto pipe = std::make_shared<BodyPipe>(pipes_);
  pipe->OnReadable([parked = parked_, connection] { parked->Resume(connection); });
  // The body of an answer to HEAD is not looked for.
  if (!exchange.is_head && !streams_.Submit([pipe, write = std::move(body.write)] {
        const auto written = write(*pipe);
        if (!written && written.error().code != ErrorCode::kCancelled) {
          Log("http")->warn("an answer was cut off: {}", written.error().ToString());
        }
        pipe->Finish(written);
      })) {
    return std::nullopt;
  }
  auto reader = std::make_unique<BodyReader>();
  reader->pipe = std::move(pipe);
  reader->parked = parked_;
  reader->connection = connection;
  return StreamHandle(body.length, std::move(reader));
}

MHD_Result HttpServer::Impl::Send(MHD_Connection* connection, ServerResponse response,
                                  Exchange& exchange) {
  if (response.prepared) {
    exchange.prepared = std::move(response.prepared);
    return ::MHD_queue_response(connection, static_cast<unsigned>(exchange.prepared->status()),
                                exchange.prepared->handle());
  }
  ResponseHandle handle;
  if (response.stream && response.stream->length > 0) {
    auto started = StartStream(connection, *std::move(response.stream), exchange);
    if (!started) {
      return Send(connection, BusyResponse("too many answers are being sent"), exchange);
    }
    handle = *std::move(started);
  } else {
    handle = response.file ? FileHandle(*std::move(response.file))
                           : TextHandle(std::move(response.body));
  }
  if (handle == nullptr) {
    return MHD_NO;  // out of memory: the connection is closed
  }
  AddHeaders(handle.get(), response.headers);
  return ::MHD_queue_response(connection, static_cast<unsigned>(response.status), handle.get());
}

MHD_Result HttpServer::Impl::OnAccept(void* self, const sockaddr* from, socklen_t /*size*/) {
  return static_cast<Impl*>(self)->table_.Admits(*from) ? MHD_YES : MHD_NO;
}

void HttpServer::Impl::OnConnection(void* self, MHD_Connection* connection, void** /*context*/,
                                    MHD_ConnectionNotificationCode what) {
  auto& server = *static_cast<Impl*>(self);
  if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
    server.table_.Remove(connection);
    return;
  }
  const auto* socket = ::MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  const auto* client = ::MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  HNX_CHECK(socket != nullptr && client != nullptr);
  server.table_.Add(connection, socket->connect_fd, *client->client_addr, Clock::Real().Steady());
}

void HttpServer::Impl::OnCompleted(void* self, MHD_Connection* connection, void** state,
                                   MHD_RequestTerminationCode /*why*/) {
  auto& server = *static_cast<Impl*>(self);
  const std::unique_ptr<Exchange> exchange(static_cast<Exchange*>(*state));
  *state = nullptr;
  if (exchange == nullptr) {
    return;
  }
  server.table_.OnAnswered(connection, Clock::Real().Steady());
  if (--server.in_flight_ == 0) {
    MutexLock lock(server.mutex_);
    if (server.stopping_) {
      server.drained_.NotifyAll();
    }
  }
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() {
  Stop();
}

Result<std::unique_ptr<HttpServer>> HttpServer::Start(HttpServerOptions options, Handler handler) {
  HNX_ASSIGN_OR_RETURN(const auto wanted, ParseListenAddress(options.listen));
  HNX_ASSIGN_OR_RETURN(auto listener, Listen(wanted));
  HNX_ASSIGN_OR_RETURN(auto address, BoundAddress(listener.get()));
  auto impl = std::make_unique<Impl>(std::move(options), std::move(handler), std::move(address));
  HNX_TRY(impl->Start(std::move(listener)));
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

void HttpServer::Stop() {
  impl_->Stop();
}

int HttpServer::port() const {
  return std::stoi(impl_->address().substr(impl_->address().rfind(':') + 1));
}

std::string HttpServer::address() const {
  return impl_->address();
}

std::size_t HttpServer::connections() const {
  return impl_->connections();
}

ConnectionCounts HttpServer::connections_ended() const {
  return impl_->closed();
}

std::uint64_t HttpServer::requests_in_flight() const {
  return impl_->in_flight();
}

std::size_t HttpServer::requests_waiting() const {
  return impl_->waiting();
}

std::size_t HttpServer::streams() const {
  return impl_->streaming();
}

}  // namespace hnx::http
