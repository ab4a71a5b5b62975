// What a failed HTTP exchange means for the mirror: one table from status codes and transport
// errors to an ErrorCode, a reason word and an advice about the whole upstream.
//
// The codes decide what the caller does (base/retry_policy.h):
//   kNotFound            the upstream says with authority that the object is absent (404, 410)
//   kUnavailable         transient: ask again later, `retry_after` is a floor
//   kDeadlineExceeded    too slow or silent; transient too
//   kInvalidArgument     this response is refused (not what was asked, too long, not allowed)
//   kFailedPrecondition  the upstream or our configuration is wrong: asking again cannot help
//   kCancelled           cancelled by us
//   any other            a handler refused the body; its own error, unchanged
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace hnx::http {

// Stable words for logs, metrics and SQL; HttpReasonName spells them.
enum class HttpReason {
  kMissing,            // 404, 410
  kForbidden,          // 403
  kRefusedByUpstream,  // 400, 401, 407, 418, 451: our configuration or our right to ask
  kThrottled,          // 429, 503
  kServerError,        // 408, 500, 502, 504, 52x and other 5xx
  kUnsupported,        // 501, 505, 511
  kUnexpectedStatus,   // a status that does not answer the request: 204, 206 or 304 unasked, ...
  kBadRange,           // 206 that is not the range asked for; 416
  kBadRedirect,        // a Location that policy forbids, or too many hops
  kBadEncoding,        // a Content-Encoding that is not accepted here
  kBadProtocol,        // not HTTP
  kHeadTooLarge,       // response head beyond its limit
  kBodyTooLarge,       // body beyond its limit or its Content-Length
  kTruncated,          // body ended early, connection reset
  kTooSlow,            // below the minimal rate, or beyond a deadline
  kConnect,            // refused, unreachable, reset before the head
  kDns,                // name not resolved
  kTls,                // handshake or certificate
  kBadRequest,         // our own URL or request is malformed
  kCancelled,
  kHandler,  // the handler refused
};
std::string_view HttpReasonName(HttpReason reason);

// What the failure says about every other request to the same upstream.
enum class UpstreamAdvice {
  kGoOn,
  kSlowDown,  // fewer requests, all workers; wait retry_after
  kStop,      // no further request until a person or the configuration changed something
};

struct HttpFailure {
  ErrorCode code = ErrorCode::kUnknown;
  HttpReason reason = HttpReason::kUnexpectedStatus;
  UpstreamAdvice advice = UpstreamAdvice::kGoOn;
  int status = 0;                                        // 0: there was no whole response head
  std::optional<std::chrono::milliseconds> retry_after;  // parsed and clamped to kRetryAfterMax
  std::string message;                                   // names method, URL and cause

  Error ToError() const { return Error{code, message}; }
};

// Longest Retry-After believed; larger ones are cut to it.
inline constexpr std::chrono::milliseconds kRetryAfterMax = std::chrono::hours(1);

struct StatusRules {
  // S3 caches without ListBucket answer 403 for absent objects; cache.nixos.org maps it to 404.
  bool forbidden_means_missing = false;
};

// The failure behind a status code that the request did not ask for. `message` is left empty.
HttpFailure ClassifyStatus(int status, const StatusRules& rules = {});

// Seconds or an HTTP date, relative to `now`. Garbage and negative seconds are nothing; a date in
// the past is zero; all else is clamped to kRetryAfterMax.
std::optional<std::chrono::milliseconds> ParseRetryAfter(std::string_view value,
                                                         Clock::WallTime now);

}  // namespace hnx::http
