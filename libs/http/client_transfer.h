// ClientTransfer: one request on its way, seen from inside the client. Owns the verdict on head and
// body (statuses, ranges, encodings, sizes, redirects, deadlines) and tells the handler. Runs on
// the client's thread only. Internal to libs/http.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <curl/curl.h>

#include "http/http_client.h"
#include "http/rate_limiter.h"

namespace hnx::http {

// What all transfers of one client share; outlives them.
struct TransferContext {
  const HttpClientOptions& options;
  const Clock& clock;
  RateLimiter& limiter;
};

class ClientTransfer {
 public:
  ClientTransfer(TransferId id, HttpRequest request, std::shared_ptr<TransferHandler> handler,
                 const TransferContext& context);
  ~ClientTransfer();
  ClientTransfer(const ClientTransfer&) = delete;
  ClientTransfer& operator=(const ClientTransfer&) = delete;

  // Makes a handle with the options that never change; null when curl is out of memory.
  static CURL* NewHandle(const HttpClientOptions& options);

  // Takes the handle for this request; Detach gives it back. kInvalidArgument for a bad request.
  Result<void> Attach(CURL* handle);
  CURL* Detach();
  CURL* handle() const { return handle_; }

  // curl has finished. True when a redirect was accepted: the handle is ready to run once more.
  bool OnCurlDone(CURLcode code);
  // Tells the handler; the transfer is over. Without `failure`, the one recorded so far, if any.
  void Finish(std::optional<HttpFailure> failure = {});

  // The failure if a deadline has passed.
  std::optional<HttpFailure> CheckDeadline() const;

  // False: the handler refused what had been held back, and the transfer is to end.
  bool ResumeByUser();
  bool ResumeByLimiter();
  bool throttled() const { return throttled_; }

  HttpFailure Failure(ErrorCode code, HttpReason reason, std::string_view cause) const;

  TransferId id() const { return id_; }
  const HttpRequest& request() const { return request_; }
  std::uint64_t body_bytes() const { return body_bytes_; }
  bool failing() const { return failure_.has_value(); }

 private:
  static std::size_t OnHeaderLine(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t OnBody(char* data, std::size_t size, std::size_t count, void* self);
  static int OnRequestReady(void* self, char* peer, char* local, int peer_port, int local_port);
  static curl_socket_t OnOpenSocket(void* self, curlsocktype purpose, curl_sockaddr* address);

  bool TakeHeaderLine(std::string_view line);
  bool TakeHead();
  bool TakeBody(ByteView chunk);
  bool AcceptHead();
  std::optional<HttpFailure> CheckStatus() const;
  std::optional<HttpFailure> CheckPartialContent() const;
  std::optional<HttpFailure> CheckBodyHead() const;
  bool AcceptsEncoding(std::string_view encoding) const;
  bool FollowsRedirects() const;
  Result<void> PrepareRedirect();
  bool MayReachPrivate() const;
  void SetHeaders();
  bool UpdatePause();
  HttpFailure ClassifyCurl(CURLcode code) const;
  bool Refuse(HttpFailure failure);

  const TransferId id_;
  HttpRequest request_;
  std::shared_ptr<TransferHandler> handler_;
  const TransferContext& context_;
  CURL* handle_ = nullptr;
  curl_slist* header_list_ = nullptr;
  std::array<char, CURL_ERROR_SIZE> curl_message_{};

  HttpResponseHead head_;
  std::size_t head_bytes_ = 0;  // all heads of this hop: interim responses count too
  bool head_complete_ = false;
  bool delivering_ = false;  // the handler took the head; body goes to it
  std::uint64_t body_bytes_ = 0;
  std::uint64_t discarded_bytes_ = 0;
  std::optional<HttpFailure> failure_;

  int hops_ = 0;
  bool origin_is_private_ = false;
  std::string refused_address_{};

  std::optional<Clock::SteadyTime> deadline_;
  bool paused_by_user_ = false;
  bool throttled_ = false;
  bool paused_ = false;
  Clock::SteadyTime paused_since_;
};

}  // namespace hnx::http
