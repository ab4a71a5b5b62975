#include "http/http_server.h"

#include <algorithm>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <utility>

#include <fcntl.h>
#include <microhttpd.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mutex.h"
#include "http/connection_watch.h"
#include "http/copied_region.h"
#include "http/listen_socket.h"
#include "http/parked_connections.h"
#include "http/percent.h"
#include "http/request_rules.h"
#include "http/work_pool.h"

namespace hnx::http {
namespace {

// Connections of one thread that were told to go and are still open.
constexpr unsigned kConnectionsGoingMax = 64;

struct ResponseDeleter {
  void operator()(MHD_Response* response) const { ::MHD_destroy_response(response); }
};
using ResponseHandle = std::unique_ptr<MHD_Response, ResponseDeleter>;

class MhdRequest final : public ServerRequest {
 public:
  MhdRequest(MHD_Connection* connection, HttpMethod method, std::string_view path)
      : connection_(connection), method_(method), path_(path) {}

  HttpMethod method() const override { return method_; }
  std::string_view path() const override { return path_; }
  std::optional<std::string_view> Header(const char* name) const override {
    const char* value = ::MHD_lookup_connection_value(connection_, MHD_HEADER_KIND, name);
    return value == nullptr ? std::nullopt : std::optional<std::string_view>(value);
  }
  std::optional<std::string> Argument(const char* name) const override {
    const char* value = ::MHD_lookup_connection_value(connection_, MHD_GET_ARGUMENT_KIND, name);
    if (value == nullptr) {
      return std::nullopt;
    }
    auto decoded = PercentDecode(value);
    return decoded.has_value() ? std::optional(*std::move(decoded)) : std::nullopt;
  }

 private:
  MHD_Connection* const connection_;
  const HttpMethod method_;
  const std::string_view path_;
};

void FreeString(void* text) {
  delete static_cast<std::string*>(text);
}

ResponseHandle TextHandle(std::string body) {
  if (body.empty()) {
    return ResponseHandle(::MHD_create_response_from_buffer(0, nullptr, MHD_RESPMEM_PERSISTENT));
  }
  auto owner = std::make_unique<std::string>(std::move(body));
  ResponseHandle handle(::MHD_create_response_from_buffer_with_free_callback_cls(
      owner->size(), owner->data(), &FreeString, owner.get()));
  if (handle != nullptr) {
    (void)owner.release();  // FreeString deletes it
  }
  return handle;
}

ResponseHandle FileHandle(FileRegion region) {
  if (region.length == 0) {
    return TextHandle({});
  }
  if (region.may_be_punched) {
    return ResponseHandle(CopyRegion(std::move(region)));
  }
  // Takes the descriptor, and closes it with the response.
  ResponseHandle handle(
      ::MHD_create_response_from_fd_at_offset64(region.length, region.fd.get(), region.offset));
  if (handle != nullptr) {
    (void)region.fd.Release();
  }
  return handle;
}

void AddHeaders(MHD_Response* response, const std::vector<HttpHeader>& headers) {
  for (const auto& header : headers) {
    // Refuses only names and values that would break the head: our own, so a bug.
    HNX_CHECK(::MHD_add_response_header(response, header.name.c_str(), header.value.c_str()) ==
              MHD_YES);
  }
}

// Leaves the URL as it was sent.
std::size_t KeepEscapes(void* /*closure*/, MHD_Connection* /*connection*/, char* text) {
  return std::char_traits<char>::length(text);
}

void LogLine(void* /*closure*/, const char* format, va_list arguments) {
  char line[512];
  const int size = std::vsnprintf(line, sizeof(line), format, arguments);
  if (size > 0) {
    Log("http")->debug("{}", TrimBlanks(line));
  }
}

// The reader's side of a streamed body; lives as long as libmicrohttpd's response.
struct BodyReader {
  std::shared_ptr<BodyPipe> pipe;
  std::shared_ptr<ParkedConnections> parked;
  MHD_Connection* connection = nullptr;
};

// With MHD_USE_TURBO a connection that is closed because its body broke keeps its socket open until
// the next event on it, which may be its timeout.
void HangUp(MHD_Connection* connection) {
  const auto* info = ::MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  if (info != nullptr) {
    (void)::shutdown(info->connect_fd, SHUT_RDWR);
  }
}

ssize_t ReadBody(void* closure, std::uint64_t /*position*/, char* out, std::size_t size) {
  auto& reader = *static_cast<BodyReader*>(closure);
  bool stopping = false;
  const auto taken = reader.pipe->Read(
      std::as_writable_bytes(std::span(out, size)),
      [&reader, &stopping] { stopping = !reader.parked->Park(reader.connection); });
  switch (taken.state) {
    case BodyPipe::State::kBytes:
      return static_cast<ssize_t>(taken.size);
    case BodyPipe::State::kNothingYet:
      return stopping ? static_cast<ssize_t>(MHD_CONTENT_READER_END_WITH_ERROR) : 0;
    case BodyPipe::State::kEnd:
    case BodyPipe::State::kBroken:
      break;
  }
  // Asked for more than was written.
  HangUp(reader.connection);
  return static_cast<ssize_t>(MHD_CONTENT_READER_END_WITH_ERROR);
}

void FreeBodyReader(void* closure) {
  const std::unique_ptr<BodyReader> reader(static_cast<BodyReader*>(closure));
  reader->pipe->Abandon();
}

ResponseHandle StreamHandle(std::uint64_t length, std::unique_ptr<BodyReader> reader) {
  constexpr std::size_t kPieceBytes = 64 * 1024;
  ResponseHandle handle(::MHD_create_response_from_callback(length, kPieceBytes, &ReadBody,
                                                            reader.get(), &FreeBodyReader));
  if (handle == nullptr) {
    reader->pipe->Abandon();
  } else {
    (void)reader.release();  // FreeBodyReader deletes it
  }
  return handle;
}

// An answer that is being found on another thread.
class DeferredResponse {
 public:
  // `wake` ends the wait of a TakeOr that found nothing.
  void Put(ServerResponse response, const std::function<void()>& wake) HNX_EXCLUDES(mutex_) {
    bool waited = false;
    {
      MutexLock lock(mutex_);
      response_ = std::move(response);
      waited = waited_;
    }
    if (waited) {
      wake();
    }
  }
  // Nothing: `wait` was called before any Put could wake.
  std::optional<ServerResponse> TakeOr(const std::function<void()>& wait) HNX_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (!response_) {
      waited_ = true;
      wait();
    }
    return std::exchange(response_, std::nullopt);
  }

 private:
  Mutex mutex_;
  std::optional<ServerResponse> response_ HNX_GUARDED_BY(mutex_);
  bool waited_ HNX_GUARDED_BY(mutex_) = false;
};

ServerResponse BusyResponse(const char* why) {
  auto response = TextResponse(503, std::string(why) + "\n");
  response.headers.push_back({"Cache-Control", "no-store"});
  response.headers.push_back({"Retry-After", "1"});
  return response;
}

}  // namespace

std::uint64_t ServerResponse::body_bytes() const {
  if (prepared) {
    return prepared->body().size();
  }
  if (stream) {
    return stream->length;
  }
  return file ? file->length : body.size();
}

ServerResponse TextResponse(int status, std::string text) {
  ServerResponse response;
  response.status = status;
  response.headers.push_back({"Content-Type", "text/plain; charset=utf-8"});
  response.body = std::move(text);
  return response;
}

PreparedResponse::PreparedResponse(int status, const std::vector<HttpHeader>& headers,
                                   std::string body)
    : status_(status),
      body_(std::move(body)),
      // The buffer is only read; the API's pointer is not const.
      handle_(::MHD_create_response_from_buffer(body_.size(), const_cast<char*>(body_.data()),
                                                MHD_RESPMEM_PERSISTENT)) {
  HNX_CHECK(handle_ != nullptr);
  AddHeaders(handle_, headers);
}

PreparedResponse::~PreparedResponse() {
  ::MHD_destroy_response(handle_);
}

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
  unsigned connections() const;
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
  MHD_Daemon* daemon_ = nullptr;
  // Shared with work that may end after the server.
  const std::shared_ptr<ParkedConnections> parked_ = std::make_shared<ParkedConnections>();
  const std::shared_ptr<BodyPipeBudget> pipes_ = std::make_shared<BodyPipeBudget>();
  WorkPool waiters_;
  WorkPool streams_;
};

Result<void> HttpServer::Impl::Start(UniqueFd listener) {
  const unsigned flags = static_cast<unsigned>(MHD_USE_EPOLL_INTERNAL_THREAD) |
                         static_cast<unsigned>(MHD_USE_ITC) | static_cast<unsigned>(MHD_USE_TURBO) |
                         static_cast<unsigned>(MHD_USE_ERROR_LOG) |
                         static_cast<unsigned>(MHD_ALLOW_SUSPEND_RESUME);
  const unsigned threads = std::max(1U, options_.threads);
  // Above the table's limit, so that it is the table that makes room: at this one nobody new is
  // accepted.
  const auto connections_max =
      static_cast<unsigned>(limits_.connections_max) + threads * kConnectionsGoingMax;
  MHD_OptionItem pool[] = {
      {MHD_OPTION_THREAD_POOL_SIZE, static_cast<std::intptr_t>(threads), nullptr},
      {MHD_OPTION_END, 0, nullptr}};
  if (threads == 1) {
    pool[0] = {MHD_OPTION_END, 0, nullptr};
  }
  daemon_ = ::MHD_start_daemon(
      flags, 0, &Impl::OnAccept, this, &Impl::OnRequest, this,  //
      MHD_OPTION_EXTERNAL_LOGGER, &LogLine, nullptr,            // first: later options may log
      MHD_OPTION_LISTEN_SOCKET, listener.get(),                 //
      MHD_OPTION_CONNECTION_LIMIT, connections_max,             //
      MHD_OPTION_CONNECTION_TIMEOUT, static_cast<unsigned>(options_.idle_timeout.count()),  //
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, options_.request_head_size_max,                   //
      MHD_OPTION_UNESCAPE_CALLBACK, &KeepEscapes, nullptr,                                  //
      MHD_OPTION_NOTIFY_COMPLETED, &Impl::OnCompleted, this,                                //
      MHD_OPTION_NOTIFY_CONNECTION, &Impl::OnConnection, this,                              //
      MHD_OPTION_STRICT_FOR_CLIENT, 1,                                                      //
      MHD_OPTION_ARRAY, pool,                                                               //
      MHD_OPTION_END);
  if (daemon_ == nullptr) {
    return Internal("start the HTTP server on " + address_ +
                    ": libmicrohttpd refused (too few file descriptors or threads?)");
  }
  (void)listener.Release();  // the daemon closes it
  watch_.Start();
  return {};
}

void HttpServer::Impl::Stop() {
  {
    MutexLock lock(mutex_);
    if (std::exchange(stopping_, true)) {
      return;
    }
  }
  if (daemon_ == nullptr) {
    return;
  }
  // Not MHD_quiesce_daemon: it ends the process when a thread of the pool takes its listening
  // socket out of its epoll set at the same moment. Newcomers are told to come again instead.
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
  ::MHD_stop_daemon(daemon_);
  daemon_ = nullptr;
  waiters_.Stop();
  streams_.Stop();
}

unsigned HttpServer::Impl::connections() const {
  const MHD_DaemonInfo* info =
      daemon_ == nullptr ? nullptr
                         : ::MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
  return info == nullptr ? 0 : info->num_connections;
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

unsigned HttpServer::connections() const {
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
