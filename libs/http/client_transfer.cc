#include "http/client_transfer.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "http/redirect_rules.h"
#include "http/response_facts.h"

namespace hnx::http {
namespace {

// Bodies nobody wants (error pages, redirects) are read up to here to keep the connection.
constexpr std::uint64_t kDiscardMax = 64 * 1024;
constexpr std::size_t kUrlSizeMax = 8 * 1024;
constexpr std::size_t kUrlShown = 300;
constexpr long kReceiveBufferMin = 16 * 1024;

std::string_view PathOf(std::string_view url) {
  return url.substr(0, url.find_first_of("?#"));
}

bool IsRedirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}  // namespace

ClientTransfer::ClientTransfer(TransferId id, HttpRequest request,
                               std::shared_ptr<TransferHandler> handler,
                               const TransferContext& context)
    : id_(id), request_(std::move(request)), handler_(std::move(handler)), context_(context) {}

ClientTransfer::~ClientTransfer() {
  HNX_CHECK(handle_ == nullptr);
  ::curl_slist_free_all(header_list_);
}

CURL* ClientTransfer::NewHandle(const HttpClientOptions& options) {
  CURL* handle = ::curl_easy_init();
  if (handle == nullptr) {
    return nullptr;
  }
  ::curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  ::curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  ::curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
  ::curl_easy_setopt(handle, CURLOPT_HTTP_VERSION,
                     options.http2 ? static_cast<long>(CURL_HTTP_VERSION_2TLS)
                                   : static_cast<long>(CURL_HTTP_VERSION_1_1));
  ::curl_easy_setopt(handle, CURLOPT_PIPEWAIT, options.http2 ? 1L : 0L);
  ::curl_easy_setopt(handle, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  ::curl_easy_setopt(handle, CURLOPT_TCP_KEEPALIVE, 1L);
  ::curl_easy_setopt(handle, CURLOPT_USERAGENT, options.user_agent.c_str());
  ::curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS,
                     static_cast<long>(options.connect_timeout.count()));
  ::curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT,
                     static_cast<long>(options.rate_min_bytes_per_second));
  ::curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME,
                     static_cast<long>(options.rate_min_window.count()));
  if (!options.proxy.empty()) {
    ::curl_easy_setopt(handle, CURLOPT_PROXY, options.proxy.c_str());
  }
  if (!options.ca_file.empty()) {
    ::curl_easy_setopt(handle, CURLOPT_CAINFO, options.ca_file.c_str());
    ::curl_easy_setopt(handle, CURLOPT_PROXY_CAINFO, options.ca_file.c_str());
  }
  ::curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &ClientTransfer::OnBody);
  ::curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &ClientTransfer::OnHeaderLine);
  ::curl_easy_setopt(handle, CURLOPT_PREREQFUNCTION, &ClientTransfer::OnRequestReady);
  ::curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, &ClientTransfer::OnOpenSocket);
  return handle;
}

Result<void> ClientTransfer::Attach(CURL* handle) {
  if (request_.url.size() > kUrlSizeMax) {
    return InvalidArgument("URL of " + std::to_string(request_.url.size()) + " bytes is too long");
  }
  if (request_.url.find_first_of(std::string_view("\0\r\n\t ", 5)) != std::string::npos) {
    return InvalidArgument("URL with blanks or control characters");
  }
  HNX_TRY(ParseHttpUrl(request_.url));
  handle_ = handle;
  head_.url = request_.url;
  ::curl_easy_setopt(handle, CURLOPT_URL, request_.url.c_str());
  ::curl_easy_setopt(handle, CURLOPT_PRIVATE, this);
  ::curl_easy_setopt(handle, CURLOPT_WRITEDATA, this);
  ::curl_easy_setopt(handle, CURLOPT_HEADERDATA, this);
  ::curl_easy_setopt(handle, CURLOPT_PREREQDATA, this);
  ::curl_easy_setopt(handle, CURLOPT_OPENSOCKETDATA, this);
  ::curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, curl_message_.data());
  if (request_.method == HttpMethod::kHead) {
    ::curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
  } else {
    ::curl_easy_setopt(handle, CURLOPT_HTTPGET, 1L);
  }
  // A small body needs no large buffer: curl allocates it for each transfer.
  const auto wanted =
      std::min<std::uint64_t>(context_.options.receive_buffer_bytes, request_.body_size_max);
  ::curl_easy_setopt(handle, CURLOPT_BUFFERSIZE,
                     std::max(kReceiveBufferMin, static_cast<long>(wanted)));
  std::string range;
  if (request_.range) {
    range = std::to_string(request_.range->first) + "-";
    range += request_.range->last ? std::to_string(*request_.range->last) : std::string();
  }
  ::curl_easy_setopt(handle, CURLOPT_RANGE, request_.range ? range.c_str() : nullptr);
  SetHeaders();
  return {};
}

void ClientTransfer::SetHeaders() {
  const auto add = [this](const std::string& line) {
    curl_slist* longer = ::curl_slist_append(header_list_, line.c_str());
    HNX_CHECK(longer != nullptr);
    header_list_ = longer;
  };
  const bool decode = request_.encoding == EncodingPolicy::kDecode;
  // With this option set curl decodes whatever the server labels, and sends the header itself.
  ::curl_easy_setopt(handle_, CURLOPT_ACCEPT_ENCODING, decode ? "identity" : nullptr);
  if (!decode) {
    add("Accept-Encoding: identity");
  }
  if (request_.range && !request_.if_range.empty()) {
    add("If-Range: " + request_.if_range);
  }
  if (!request_.if_none_match.empty()) {
    add("If-None-Match: " + request_.if_none_match);
  }
  for (const auto& header : request_.headers) {
    add(header.name + ": " + header.value);
  }
  ::curl_easy_setopt(handle_, CURLOPT_HTTPHEADER, header_list_);
}

CURL* ClientTransfer::Detach() {
  CURL* handle = handle_;
  if (handle != nullptr) {
    ::curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, nullptr);
    ::curl_easy_setopt(handle, CURLOPT_HTTPHEADER, nullptr);
    ::curl_easy_setopt(handle, CURLOPT_PRIVATE, nullptr);
    handle_ = nullptr;
  }
  return handle;
}

std::size_t ClientTransfer::OnHeaderLine(char* data, std::size_t size, std::size_t count,
                                         void* self) {
  const std::size_t bytes = size * count;
  return static_cast<ClientTransfer*>(self)->TakeHeaderLine({data, bytes}) ? bytes : 0;
}

std::size_t ClientTransfer::OnBody(char* data, std::size_t size, std::size_t count, void* self) {
  const std::size_t bytes = size * count;
  auto* transfer = static_cast<ClientTransfer*>(self);
  if (transfer->paused_) {
    return CURL_WRITEFUNC_PAUSE;  // read before the pause took effect; curl keeps it until then
  }
  return transfer->TakeBody(AsBytes({data, bytes})) ? bytes : (bytes == 0 ? 1 : 0);
}

// Before any byte of the request is sent, also on a connection that was open already.
int ClientTransfer::OnRequestReady(void* self, char* peer, char* /*local*/, int /*peer_port*/,
                                   int /*local_port*/) {
  auto* transfer = static_cast<ClientTransfer*>(self);
  if (!transfer->MayReachPrivate() && IsPrivateAddress(std::string(peer))) {
    transfer->refused_address_ = peer;
    return CURL_PREREQFUNC_ABORT;
  }
  transfer->deadline_ = transfer->context_.clock.Steady() + transfer->context_.options.head_timeout;
  return CURL_PREREQFUNC_OK;
}

curl_socket_t ClientTransfer::OnOpenSocket(void* self, curlsocktype /*purpose*/,
                                           curl_sockaddr* address) {
  auto* transfer = static_cast<ClientTransfer*>(self);
  if (!transfer->MayReachPrivate() && IsPrivateAddress(address->addr)) {
    transfer->refused_address_ = AddressText(address->addr);
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

bool ClientTransfer::Refuse(HttpFailure failure) {
  if (!failure_) {
    failure_ = std::move(failure);
  }
  return false;
}

bool ClientTransfer::TakeHeaderLine(std::string_view line) {
  head_bytes_ += line.size();
  if (head_bytes_ > context_.options.head_size_max) {
    return Refuse(Failure(ErrorCode::kInvalidArgument, HttpReason::kHeadTooLarge,
                          "the response head is larger than " +
                              std::to_string(context_.options.head_size_max) + " bytes"));
  }
  if (head_complete_) {
    return true;  // trailers
  }
  if (line.substr(0, 5) == "HTTP/") {
    head_.headers.Clear();
    head_.headers.AppendLine(std::string(kProtocolHeader) + ": " +
                             std::string(line.substr(0, line.find(' '))));
    return true;
  }
  if (line == "\r\n" || line == "\n") {
    long status = 0;
    ::curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200) {
      return true;  // interim response; the real head follows
    }
    head_.status = static_cast<int>(status);
    head_complete_ = true;
    return TakeHead();
  }
  head_.headers.AppendLine(line);
  return true;
}

bool ClientTransfer::FollowsRedirects() const {
  return request_.redirects == RedirectPolicy::kFollow && IsRedirect(head_.status);
}

bool ClientTransfer::TakeHead() {
  curl_off_t length = -1;
  ::curl_easy_getinfo(handle_, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  if (length >= 0) {
    head_.content_length = static_cast<std::uint64_t>(length);
  }
  const auto size = head_.content_length.value_or(request_.body_size_max);
  const auto rate = std::max<std::uint64_t>(1, context_.options.deadline_rate_bytes_per_second);
  const auto seconds = std::min<std::uint64_t>(size / rate, 30ULL * 24 * 3600);
  deadline_ = context_.clock.Steady() + context_.options.deadline_base +
              std::chrono::seconds(static_cast<std::int64_t>(seconds));
  if (FollowsRedirects()) {
    return true;
  }
  return AcceptHead();
}

// True also when the status is a failure whose body is just drained: the connection stays usable.
bool ClientTransfer::AcceptHead() {
  if (auto failure = CheckStatus()) {
    Refuse(*std::move(failure));
    return true;
  }
  if (auto failure = CheckBodyHead()) {
    return Refuse(*std::move(failure));
  }
  auto taken = handler_->OnHead(head_);
  if (!taken) {
    auto failure = Failure(taken.error().code, HttpReason::kHandler, taken.error().message);
    return Refuse(std::move(failure));
  }
  delivering_ = true;
  return true;
}

std::optional<HttpFailure> ClientTransfer::CheckStatus() const {
  const int status = head_.status;
  if (status == 200 || (status == 304 && !request_.if_none_match.empty()) ||
      (IsRedirect(status) && request_.redirects == RedirectPolicy::kDontFollow)) {
    return std::nullopt;
  }
  if (status == 206 && request_.range) {
    return CheckPartialContent();
  }
  auto failure = ClassifyStatus(status, context_.options.status_rules);
  failure.message = Failure(failure.code, failure.reason,
                            "HTTP status " + std::to_string(status) + " (" +
                                std::string(HttpReasonName(failure.reason)) + ")")
                        .message;
  if (failure.advice == UpstreamAdvice::kSlowDown) {
    if (const auto value = head_.headers.Get("retry-after")) {
      failure.retry_after = ParseRetryAfter(*value, context_.clock.Wall());
    }
  }
  return failure;
}

std::optional<HttpFailure> ClientTransfer::CheckPartialContent() const {
  const auto bad = [this](std::string_view cause) {
    return Failure(ErrorCode::kInvalidArgument, HttpReason::kBadRange, cause);
  };
  const auto type = head_.headers.Get("content-type").value_or("");
  if (EqualsIgnoringCase(type.substr(0, 20), "multipart/byteranges")) {
    return bad("answered one range with multipart/byteranges");
  }
  const auto value = head_.headers.Get("content-range").value_or("");
  const auto range = ParseContentRange(value);
  if (!range) {
    return bad("status 206 with Content-Range '" + std::string(value.substr(0, 100)) + "'");
  }
  if (range->first != request_.range->first ||
      (request_.range->last && range->last > *request_.range->last)) {
    return bad("asked for the range from " + std::to_string(request_.range->first) +
               ", answered with " + std::string(value.substr(0, 100)));
  }
  if (head_.content_length && *head_.content_length != range->last - range->first + 1) {
    return bad("Content-Range and Content-Length of status 206 disagree");
  }
  return std::nullopt;
}

std::optional<HttpFailure> ClientTransfer::CheckBodyHead() const {
  if (request_.method == HttpMethod::kHead) {
    return std::nullopt;
  }
  if (head_.content_length && *head_.content_length > request_.body_size_max) {
    return Failure(ErrorCode::kInvalidArgument, HttpReason::kBodyTooLarge,
                   "Content-Length " + std::to_string(*head_.content_length) +
                       " is beyond the limit of " + std::to_string(request_.body_size_max));
  }
  const auto encoding = head_.headers.Get("content-encoding").value_or("");
  if (request_.encoding == EncodingPolicy::kRefuse && !AcceptsEncoding(encoding)) {
    return Failure(ErrorCode::kInvalidArgument, HttpReason::kBadEncoding,
                   "Content-Encoding '" + std::string(encoding.substr(0, 100)) +
                       "' although identity was asked for");
  }
  return std::nullopt;
}

// Some servers label a file by its own compression (`Content-Encoding: xz` on x.nar.xz) without
// having encoded anything. Taken as it is; the hash decides.
bool ClientTransfer::AcceptsEncoding(std::string_view encoding) const {
  if (encoding.empty() || EqualsIgnoringCase(encoding, "identity")) {
    return true;
  }
  if (head_.headers.Count("content-encoding") > 1) {
    return false;
  }
  const auto path = PathOf(request_.url);
  const auto labels = [&](std::string_view label, std::string_view extension) {
    return EqualsIgnoringCase(encoding, label) && path.size() > extension.size() &&
           path.substr(path.size() - extension.size()) == extension;
  };
  return labels("xz", ".xz") || labels("zstd", ".zst") || labels("bzip2", ".bz2") ||
         labels("x-bzip2", ".bz2");
}

bool ClientTransfer::TakeBody(ByteView chunk) {
  if (!delivering_) {
    discarded_bytes_ += chunk.size();
    return discarded_bytes_ <= kDiscardMax;
  }
  if (chunk.size() > request_.body_size_max - body_bytes_) {
    return Refuse(
        Failure(ErrorCode::kInvalidArgument, HttpReason::kBodyTooLarge,
                "the body is longer than the limit of " + std::to_string(request_.body_size_max)));
  }
  body_bytes_ += chunk.size();
  auto verdict = handler_->OnData(chunk);
  if (!verdict) {
    return Refuse(Failure(verdict.error().code, HttpReason::kHandler, verdict.error().message));
  }
  paused_by_user_ = *verdict == DataVerdict::kPause;
  throttled_ = !context_.limiter.Take(chunk.size());
  return UpdatePause();
}

bool ClientTransfer::ResumeByUser() {
  paused_by_user_ = false;
  return UpdatePause();
}

bool ClientTransfer::ResumeByLimiter() {
  throttled_ = false;
  return UpdatePause();
}

bool ClientTransfer::UpdatePause() {
  const bool pause = paused_by_user_ || throttled_;
  if (pause == paused_ || handle_ == nullptr) {
    return true;
  }
  paused_ = pause;
  if (pause) {
    paused_since_ = context_.clock.Steady();
  } else if (deadline_) {
    *deadline_ += context_.clock.Steady() - paused_since_;
  }
  // Continuing calls OnBody with what curl had read already, so this comes last.
  const CURLcode code = ::curl_easy_pause(handle_, pause ? CURLPAUSE_RECV : CURLPAUSE_CONT);
  if (code != CURLE_OK && !failure_) {
    failure_ = ClassifyCurl(code);
  }
  return code == CURLE_OK;
}

std::optional<HttpFailure> ClientTransfer::CheckDeadline() const {
  if (paused_ || !deadline_ || context_.clock.Steady() < *deadline_) {
    return std::nullopt;
  }
  return Failure(ErrorCode::kDeadlineExceeded, HttpReason::kTooSlow,
                 head_complete_
                     ? "the body did not end before its deadline, after " +
                           std::to_string(body_bytes_) + " bytes"
                     : "no complete response head within " +
                           std::to_string(context_.options.head_timeout.count()) + " ms");
}

bool ClientTransfer::MayReachPrivate() const {
  return hops_ == 0 || origin_is_private_ || !context_.options.proxy.empty() ||
         context_.options.redirect_to_private_addresses;
}

bool ClientTransfer::OnCurlDone(CURLcode code) {
  if (failure_) {
    return false;
  }
  if (code != CURLE_OK) {
    failure_ = ClassifyCurl(code);
    return false;
  }
  if (!head_complete_) {
    failure_ = Failure(ErrorCode::kUnavailable, HttpReason::kTruncated,
                       "the connection ended without a response");
    return false;
  }
  if (!FollowsRedirects()) {
    return false;
  }
  auto prepared = PrepareRedirect();
  if (!prepared) {
    failure_ = Failure(prepared.error().code, HttpReason::kBadRedirect, prepared.error().message);
    return false;
  }
  return true;
}

Result<void> ClientTransfer::PrepareRedirect() {
  char* location = nullptr;
  ::curl_easy_getinfo(handle_, CURLINFO_REDIRECT_URL, &location);
  if (location == nullptr) {
    return InvalidArgument("status " + std::to_string(head_.status) + " without a Location");
  }
  const std::string target(location);
  if (target.size() > kUrlSizeMax) {
    return InvalidArgument("redirected to a URL of " + std::to_string(target.size()) + " bytes");
  }
  if (hops_ >= request_.redirect_hops_max) {
    return InvalidArgument("more than " + std::to_string(request_.redirect_hops_max) +
                           " redirects, the last one to " + target);
  }
  // Compared with the first URL too: a chain of hops must not widen what is allowed.
  HNX_TRY(CheckRedirect(head_.url, target, request_.redirect_hosts));
  if (hops_ == 0) {
    const char* peer = nullptr;
    ::curl_easy_getinfo(handle_, CURLINFO_PRIMARY_IP, &peer);
    origin_is_private_ = peer != nullptr && *peer != '\0' && IsPrivateAddress(std::string(peer));
  }
  ++hops_;
  head_ = HttpResponseHead{};
  head_.url = target;
  head_bytes_ = 0;
  head_complete_ = false;
  discarded_bytes_ = 0;
  deadline_.reset();
  ::curl_easy_setopt(handle_, CURLOPT_URL, target.c_str());
  return {};
}

void ClientTransfer::Finish(std::optional<HttpFailure> failure) {
  HttpOutcome outcome;
  outcome.body_bytes = body_bytes_;
  outcome.failure = failure ? std::move(failure) : std::move(failure_);
  if (outcome.failure && outcome.failure->status == 0 && head_complete_) {
    outcome.failure->status = head_.status;
  }
  outcome.head = std::move(head_);
  auto handler = std::move(handler_);
  handler->OnDone(std::move(outcome));
}

HttpFailure ClientTransfer::Failure(ErrorCode code, HttpReason reason,
                                    std::string_view cause) const {
  HttpFailure failure;
  failure.code = code;
  failure.reason = reason;
  failure.message = std::string(HttpMethodName(request_.method)) + " " +
                    request_.url.substr(0, kUrlShown) + ": " + std::string(cause);
  return failure;
}

HttpFailure ClientTransfer::ClassifyCurl(CURLcode code) const {
  // A name may have public addresses too: what was reached of those counts.
  const bool refused = code == CURLE_COULDNT_CONNECT || code == CURLE_ABORTED_BY_CALLBACK;
  if (refused && !refused_address_.empty()) {
    return Failure(ErrorCode::kInvalidArgument, HttpReason::kBadRedirect,
                   "redirected to " + head_.url.substr(0, kUrlShown) + ", which is at " +
                       refused_address_ + ": a private address");
  }
  const std::string cause = curl_message_.front() != '\0' ? std::string(curl_message_.data())
                                                          : ::curl_easy_strerror(code);
  const auto transient = [&](HttpReason reason) {
    return Failure(ErrorCode::kUnavailable, reason, cause);
  };
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return transient(HttpReason::kDns);
    case CURLE_COULDNT_CONNECT:
      return transient(HttpReason::kConnect);
    case CURLE_OPERATION_TIMEDOUT:
      return Failure(ErrorCode::kDeadlineExceeded,
                     deadline_ ? HttpReason::kTooSlow : HttpReason::kConnect, cause);
    case CURLE_SSL_CONNECT_ERROR:
      return transient(HttpReason::kTls);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER: {
      auto failure = Failure(ErrorCode::kFailedPrecondition, HttpReason::kTls, cause);
      failure.advice = UpstreamAdvice::kStop;
      return failure;
    }
    case CURLE_BAD_CONTENT_ENCODING:
      return Failure(ErrorCode::kInvalidArgument, HttpReason::kBadEncoding, cause);
    case CURLE_URL_MALFORMAT:
      return Failure(ErrorCode::kInvalidArgument, HttpReason::kBadRequest, cause);
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
      return transient(HttpReason::kBadProtocol);
    case CURLE_OUT_OF_MEMORY:
      if (deadline_ && !head_complete_) {
        // What curl says of a header line beyond its own limit. It must not pass for our trouble,
        // which is tried again for ever.
        return Failure(ErrorCode::kInvalidArgument, HttpReason::kHeadTooLarge,
                       "the response head has a line that is too long");
      }
      return Failure(ErrorCode::kResourceExhausted, HttpReason::kConnect, cause);
    default:
      return transient(head_complete_ ? HttpReason::kTruncated : HttpReason::kConnect);
  }
}

}  // namespace hnx::http
