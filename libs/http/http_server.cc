#include "http/http_server.h"

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <utility>

#include <fcntl.h>
#include <microhttpd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mutex.h"
#include "http/listen_socket.h"

namespace hnx::http {
namespace {

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

bool HasBody(MHD_Connection* connection) {
  const auto header = [connection](const char* name) {
    return ::MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
  };
  const char* length = header(MHD_HTTP_HEADER_CONTENT_LENGTH);
  return (length != nullptr && std::string_view(length) != "0") ||
         header(MHD_HTTP_HEADER_TRANSFER_ENCODING) != nullptr;
}

}  // namespace

std::uint64_t ServerResponse::body_bytes() const {
  if (prepared) {
    return prepared->body().size();
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
      : options_(std::move(options)), handler_(std::move(handler)), address_(std::move(address)) {}

  Result<void> Start(UniqueFd listener);
  void Stop();

  const std::string& address() const { return address_; }
  unsigned connections() const;
  std::uint64_t in_flight() const { return in_flight_; }

 private:
  // What lives as long as one request: the prepared answer it is sending.
  struct Exchange {
    std::shared_ptr<const PreparedResponse> prepared;
  };

  static MHD_Result OnRequest(void* self, MHD_Connection* connection, const char* url,
                              const char* method, const char* version, const char* upload,
                              std::size_t* upload_size, void** state);
  static void OnCompleted(void* self, MHD_Connection* connection, void** state,
                          MHD_RequestTerminationCode why);
  // The answer to a request that no handler is to see.
  static std::optional<ServerResponse> Refuse(MHD_Connection* connection, std::string_view method);
  static MHD_Result Send(MHD_Connection* connection, ServerResponse response, Exchange& exchange);

  const HttpServerOptions options_;
  const Handler handler_;
  const std::string address_;
  std::atomic<std::uint64_t> in_flight_{0};
  Mutex mutex_;
  CondVar drained_;
  bool stopping_ HNX_GUARDED_BY(mutex_) = false;
  MHD_Daemon* daemon_ = nullptr;
};

Result<void> HttpServer::Impl::Start(UniqueFd listener) {
  const unsigned flags = static_cast<unsigned>(MHD_USE_EPOLL_INTERNAL_THREAD) |
                         static_cast<unsigned>(MHD_USE_ITC) | static_cast<unsigned>(MHD_USE_TURBO) |
                         static_cast<unsigned>(MHD_USE_ERROR_LOG);
  const unsigned threads = std::max(1U, options_.threads);
  MHD_OptionItem pool[] = {
      {MHD_OPTION_THREAD_POOL_SIZE, static_cast<std::intptr_t>(threads), nullptr},
      {MHD_OPTION_END, 0, nullptr}};
  if (threads == 1) {
    pool[0] = {MHD_OPTION_END, 0, nullptr};
  }
  daemon_ = ::MHD_start_daemon(
      flags, 0, nullptr, nullptr, &Impl::OnRequest, this,     //
      MHD_OPTION_EXTERNAL_LOGGER, &LogLine, nullptr,          // first: later options may log
      MHD_OPTION_LISTEN_SOCKET, listener.get(),               //
      MHD_OPTION_CONNECTION_LIMIT, options_.connections_max,  //
      MHD_OPTION_CONNECTION_TIMEOUT, static_cast<unsigned>(options_.idle_timeout.count()),  //
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, options_.request_head_size_max,                   //
      MHD_OPTION_UNESCAPE_CALLBACK, &KeepEscapes, nullptr,                                  //
      MHD_OPTION_NOTIFY_COMPLETED, &Impl::OnCompleted, this,                                //
      MHD_OPTION_STRICT_FOR_CLIENT, 1,                                                      //
      MHD_OPTION_ARRAY, pool,                                                               //
      MHD_OPTION_END);
  if (daemon_ == nullptr) {
    return Internal("start the HTTP server on " + address_ +
                    ": libmicrohttpd refused (too few file descriptors or threads?)");
  }
  (void)listener.Release();  // the daemon closes it
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
  const UniqueFd listener(::MHD_quiesce_daemon(daemon_));
  {
    const auto deadline = std::chrono::steady_clock::now() + options_.drain_timeout;
    MutexLock lock(mutex_);
    while (in_flight_ > 0 && std::chrono::steady_clock::now() < deadline) {
      drained_.WaitFor(mutex_, deadline - std::chrono::steady_clock::now());
    }
  }
  ::MHD_stop_daemon(daemon_);
  daemon_ = nullptr;
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
    auto refusal = Refuse(connection, method);
    return refusal ? Send(connection, *std::move(refusal), *exchange) : MHD_YES;
  }
  if (*upload_size > 0) {
    *upload_size = 0;  // the rest of what was refused
    return MHD_YES;
  }
  const auto kind = std::string_view(method) == "GET" ? HttpMethod::kGet : HttpMethod::kHead;
  return Send(connection, server.handler_(MhdRequest(connection, kind, url)), *exchange);
}

std::optional<ServerResponse> HttpServer::Impl::Refuse(MHD_Connection* connection,
                                                       std::string_view method) {
  if (method != "GET" && method != "HEAD") {
    auto response = TextResponse(405, "only GET and HEAD\n");
    response.headers.push_back({"Allow", "GET, HEAD"});
    response.headers.push_back({"Connection", "close"});
    return response;
  }
  if (HasBody(connection)) {
    auto response = TextResponse(400, "a GET request has no body\n");
    response.headers.push_back({"Connection", "close"});
    return response;
  }
  return std::nullopt;
}

MHD_Result HttpServer::Impl::Send(MHD_Connection* connection, ServerResponse response,
                                  Exchange& exchange) {
  if (response.prepared) {
    exchange.prepared = std::move(response.prepared);
    return ::MHD_queue_response(connection, static_cast<unsigned>(exchange.prepared->status()),
                                exchange.prepared->handle());
  }
  const auto handle =
      response.file ? FileHandle(*std::move(response.file)) : TextHandle(std::move(response.body));
  if (handle == nullptr) {
    return MHD_NO;  // out of memory: the connection is closed
  }
  AddHeaders(handle.get(), response.headers);
  return ::MHD_queue_response(connection, static_cast<unsigned>(response.status), handle.get());
}

void HttpServer::Impl::OnCompleted(void* self, MHD_Connection* /*connection*/, void** state,
                                   MHD_RequestTerminationCode /*why*/) {
  auto& server = *static_cast<Impl*>(self);
  const std::unique_ptr<Exchange> exchange(static_cast<Exchange*>(*state));
  *state = nullptr;
  if (exchange == nullptr) {
    return;
  }
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

std::uint64_t HttpServer::requests_in_flight() const {
  return impl_->in_flight();
}

}  // namespace hnx::http
