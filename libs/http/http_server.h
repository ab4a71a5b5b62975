// HttpServer: a small HTTP/1.1 server over libmicrohttpd, for the gateway and for the health and
// metrics ports of the other programs. A few threads, each with its own epoll set, carry thousands
// of keep-alive connections. Bodies are texts or ranges of files, which go out by sendfile.
//
//   auto server = HttpServer::Start({.listen = "127.0.0.1:8080"}, [](const ServerRequest& request)
//   {
//     return TextResponse(200, "ok\n");
//   });
//
// A handler that would have to wait (for a disk that is far, for peers) says so by
// ServerResponse::later; a body that is found while it is sent is ServerResponse::stream. Both run
// on further threads, few and bounded, while the connection rests; the server's own threads never
// wait.
//
// GET and HEAD only: other methods are answered 405 and requests with a body 400, before the
// handler is asked. HEAD gets the head of the GET answer. Paths arrive exactly as sent: not
// decoded, not normalised, without the query; it is the handler that takes only what it knows.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "http/body_pipe.h"
#include "http/connection_table.h"
#include "http/http_message.h"

struct MHD_Response;

namespace hnx::http {

// The names are those of the flags, environment variables and configuration keys.
struct HttpServerOptions {
  std::string listen = "127.0.0.1:8080";  // HOST:PORT or [IPv6]:PORT; port 0: a free one
  unsigned threads = 2;
  // Beyond, the one that has waited longest for its next request is closed. Fewer where the process
  // may open fewer than twice as many files.
  unsigned connections_max = 10'000;
  // From one address (IPv6: from one /64) at once; 0: no limit. Those of this machine don't count.
  unsigned connections_per_address_max = 0;
  // From the end of an answer to the whole head of the next request, however slowly that comes; and
  // for how long nothing may be taken of an answer.
  std::chrono::seconds idle_timeout{75};
  // A client that takes less than that of a waiting answer in idle_timeout is cut off.
  std::uint64_t answer_bytes_min = std::uint64_t{64} << 10;
  std::size_t request_head_size_max = std::size_t{32} << 10;  // request line and headers
  std::chrono::milliseconds drain_timeout{5000};  // Stop waits so long for answers on their way
  // Threads for ServerResponse::later and for ServerResponse::stream, and how many may wait for one
  // of each; beyond that the answer is 503. None is started before it is needed.
  unsigned waiters_max = 64;
  unsigned streams_max = 256;
  unsigned queue_max = 4096;
};

class ServerRequest {
 public:
  virtual ~ServerRequest() = default;
  virtual HttpMethod method() const = 0;
  virtual std::string_view path() const = 0;
  // The first header of that name (any case). Valid during the handler's call.
  virtual std::optional<std::string_view> Header(const char* name) const = 0;
  // The value of ?name=value in the query, percent-decoded; nothing when it is absent or malformed.
  virtual std::optional<std::string> Argument(const char* /*name*/) const { return std::nullopt; }
};

// Bytes of a file. The descriptor is closed when the last byte was sent or the client has left; so
// a lock that belongs to its open file description lasts exactly as long.
struct FileRegion {
  UniqueFd fd;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  // Holes may be punched here when the descriptor is closed. Then pages of the file must not wait
  // in the socket, as sendfile has them do: a hole's ends are wiped in place. They are copied.
  bool may_be_punched = false;
};

// An answer that is made once and sent many times, by any thread.
class PreparedResponse {
 public:
  PreparedResponse(int status, const std::vector<HttpHeader>& headers, std::string body);
  ~PreparedResponse();
  PreparedResponse(const PreparedResponse&) = delete;
  PreparedResponse& operator=(const PreparedResponse&) = delete;

  int status() const { return status_; }
  const std::string& body() const { return body_; }
  MHD_Response* handle() const { return handle_; }

 private:
  const int status_;
  const std::string body_;
  MHD_Response* handle_;
};

// A body that is found while it is sent.
struct StreamedBody {
  std::uint64_t length = 0;
  // Called once, on a thread that may wait; writes exactly `length` bytes. An error, or another
  // number of bytes, closes the connection, so that the client sees that it did not get all.
  std::function<Result<void>(BodyPipe&)> write;
};

struct ServerResponse {
  int status = 200;
  std::vector<HttpHeader> headers{};
  std::string body{};
  std::optional<FileRegion> file{};                    // instead of body
  std::optional<StreamedBody> stream{};                // instead of body
  std::shared_ptr<const PreparedResponse> prepared{};  // instead of all the others
  // Instead of all the others: finding the answer takes time. Called once, on a thread that may
  // wait; its answer has no `later`. The request is gone by then: keep copies of what is needed.
  std::function<ServerResponse()> later{};

  int effective_status() const { return prepared ? prepared->status() : status; }
  std::uint64_t body_bytes() const;
};

// text/plain; charset=utf-8.
ServerResponse TextResponse(int status, std::string text);

class HttpServer {
 public:
  // Called by the server's threads, several at once; must not wait: see `later`.
  using Handler = std::function<ServerResponse(const ServerRequest&)>;

  // kInvalidArgument: malformed `listen`; kUnavailable and others: the address cannot be had.
  static Result<std::unique_ptr<HttpServer>> Start(HttpServerOptions options, Handler handler);
  // Stops.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Answers nothing new (503), lets answers on their way end within drain_timeout, closes the rest.
  // Idempotent; not from a handler.
  void Stop();

  int port() const;
  std::string address() const;  // "127.0.0.1:8080", with the real port
  std::size_t connections() const;
  // Those that had to go, by the reason.
  ConnectionCounts connections_ended() const;
  // Requests whose answer has not been sent whole.
  std::uint64_t requests_in_flight() const;
  // Of those: answers that are being found, and bodies that are.
  std::size_t requests_waiting() const;
  std::size_t streams() const;

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hnx::http
