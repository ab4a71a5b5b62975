// HttpClient: the one way out to HTTP servers. One thread owns a curl multi handle: HTTP/2 over TLS
// with multiplexing, keep-alive HTTP/1.1 otherwise. Any number of threads start transfers.
//
//   auto response = client.Fetch({.url = upstream + "/nix-cache-info", .body_size_max = 4096});
//
// Small bodies come whole with Fetch. Large ones go to a TransferHandler chunk by chunk; a handler
// that is full answers kPause, which stops reading from the socket until Resume(id), so memory is
// bounded by what the handler holds. NARs are downloaded with ResumingDownload, which continues
// broken transfers.
//
// Every transfer is bounded: connect, head and total deadline, minimal rate, head and body size,
// redirect hops and hosts. No cookies, no credentials, no automatic decompression unless asked.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "http/http_error.h"
#include "http/http_message.h"

namespace hnx::http {

// The names are those of the flags, environment variables and configuration keys.
struct HttpClientOptions {
  std::string proxy{};    // http://host:port, socks5h://...; empty: the usual environment variables
  std::string ca_file{};  // PEM bundle instead of the system's
  std::string user_agent = "hypercore-nixos/0.1";
  int connections_per_host_max = 16;
  int connections_max = 64;           // open, over all hosts, idle ones included
  int in_flight_max = 256;            // handed to curl; further ones wait their turn in order
  std::size_t waiting_max = 100'000;  // started and not yet handed to curl; beyond: refused
  std::chrono::milliseconds connect_timeout{15'000};  // name, TCP and TLS
  std::chrono::milliseconds head_timeout{60'000};     // from the request sent to the whole head
  std::uint64_t rate_min_bytes_per_second = 1024;     // less than this ...
  std::chrono::seconds rate_min_window{60};           // ... over this window fails the transfer
  // Total deadline after the head: deadline_base + body size / deadline_rate. Paused time is free.
  std::chrono::milliseconds deadline_base{120'000};
  std::uint64_t deadline_rate_bytes_per_second = std::uint64_t{16} << 10;
  std::size_t receive_buffer_bytes = std::size_t{256} << 10;  // per transfer
  std::size_t head_size_max = std::size_t{64} << 10;
  // Redirects to loopback, private and link-local addresses are refused, unless the URL that we
  // were given points to such an address too.
  bool redirect_to_private_addresses = false;
  bool http2 = true;
  StatusRules status_rules{};
};

enum class RedirectPolicy {
  kFollow,      // to allowed hosts, never from https to http, never to another scheme
  kDontFollow,  // a 3xx is an answer: OnHead sees it, Location is among its headers
};

enum class EncodingPolicy {
  kRefuse,  // NARs: only identity, or a label that names the file's own compression (xz, zstd)
  kDecode,  // narinfo: gzip, br, zstd and deflate are decoded, body_size_max counts decoded bytes
  kKeep,    // channel files: bytes as sent, whatever the label
};

struct HttpRequest {
  std::string url{};  // http:// or https://
  HttpMethod method = HttpMethod::kGet;
  std::vector<HttpHeader> headers{};
  std::uint64_t body_size_max = 16ULL * 1024 * 1024;
  std::optional<ByteRange> range{};  // then 206 with exactly this start, or 200, are answers
  std::string if_range{};            // validator sent along with `range`
  std::string if_none_match{};       // then 304 is an answer
  RedirectPolicy redirects = RedirectPolicy::kFollow;
  int redirect_hops_max = 5;
  // Host names that a redirect may lead to, besides the one asked.
  std::vector<std::string> redirect_hosts{};
  EncodingPolicy encoding = EncodingPolicy::kRefuse;
  // Not before this much time has passed: how retries wait without a thread.
  std::chrono::milliseconds start_after{0};
};

struct HttpResponseHead {
  int status = 0;
  std::string url;  // the one that answered, after redirects
  HttpHeaders headers;
  std::optional<std::uint64_t> content_length;
};

struct HttpOutcome {
  HttpResponseHead head;         // status 0: none came
  std::uint64_t body_bytes = 0;  // given to OnData
  std::optional<HttpFailure> failure;
};

enum class DataVerdict {
  kContinue,
  kPause,  // this chunk is taken; no more until HttpClient::Resume
};

using TransferId = std::uint64_t;

// Called by the client's thread, never concurrently for one transfer. No method may block: the
// thread carries all transfers. Released by the client after OnDone.
class TransferHandler {
 public:
  virtual ~TransferHandler() = default;

  // By Start, on the caller's thread, before anything else can happen.
  virtual void OnBegin(TransferId /*id*/) {}
  // The head of an answer: 200, 206 to a range, 304 to if_none_match, 3xx with kDontFollow. Any
  // other status goes to OnDone as a failure. An error refuses the body and becomes the failure.
  virtual Result<void> OnHead(const HttpResponseHead& /*head*/) { return {}; }
  // The view is valid during the call.
  virtual Result<DataVerdict> OnData(ByteView chunk) = 0;
  // Exactly once, last.
  virtual void OnDone(HttpOutcome outcome) = 0;
};

struct HttpResponse {
  HttpResponseHead head;
  std::string body;
};

template <class T>
using HttpResult = tl::expected<T, HttpFailure>;

class HttpClient {
 public:
  explicit HttpClient(HttpClientOptions options, const Clock& clock = Clock::Real());
  // Cancels what runs; each handler has had its OnDone when this returns.
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Any thread, also from a handler. A request that cannot even start (malformed URL, too many
  // waiting, client stopping) is told through OnDone as well, from the client's thread.
  TransferId Start(HttpRequest request, std::shared_ptr<TransferHandler> handler);
  // No-ops for transfers that have ended. Resume may come before the pause took effect.
  void Resume(TransferId id);
  void Cancel(TransferId id);

  // The whole body in memory, at most request.body_size_max bytes. Blocks the caller, which must
  // not be the client's thread.
  HttpResult<HttpResponse> Fetch(HttpRequest request);
  // The same without blocking: `done` runs on the client's thread and must not block.
  TransferId FetchAsync(HttpRequest request, std::function<void(HttpResult<HttpResponse>)> done);

  // All transfers together, by pausing sockets; 0 is no limit. Any time, any thread.
  void SetRateLimit(std::uint64_t bytes_per_second);

  struct Statistics {
    std::uint64_t transfers_started = 0;
    std::uint64_t transfers_done = 0;
    std::uint64_t transfers_failed = 0;
    std::uint64_t body_bytes = 0;
    std::uint64_t in_flight = 0;
    std::uint64_t waiting = 0;
  };
  Statistics statistics() const;

  const HttpClientOptions& options() const;

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace hnx::http
