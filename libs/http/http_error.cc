#include "http/http_error.h"

#include <algorithm>
#include <charconv>
#include <string>

#include <curl/curl.h>

#include "http/http_message.h"

namespace hnx::http {
namespace {

HttpFailure Make(ErrorCode code, HttpReason reason, UpstreamAdvice advice, int status) {
  HttpFailure failure;
  failure.code = code;
  failure.reason = reason;
  failure.advice = advice;
  failure.status = status;
  return failure;
}

}  // namespace

std::string_view HttpReasonName(HttpReason reason) {
  switch (reason) {
    case HttpReason::kMissing:
      return "missing";
    case HttpReason::kForbidden:
      return "forbidden";
    case HttpReason::kRefusedByUpstream:
      return "refused-by-upstream";
    case HttpReason::kThrottled:
      return "throttled";
    case HttpReason::kServerError:
      return "server-error";
    case HttpReason::kUnsupported:
      return "unsupported";
    case HttpReason::kUnexpectedStatus:
      return "unexpected-status";
    case HttpReason::kBadRange:
      return "bad-range";
    case HttpReason::kBadRedirect:
      return "bad-redirect";
    case HttpReason::kBadEncoding:
      return "bad-encoding";
    case HttpReason::kBadProtocol:
      return "bad-protocol";
    case HttpReason::kHeadTooLarge:
      return "head-too-large";
    case HttpReason::kBodyTooLarge:
      return "body-too-large";
    case HttpReason::kTruncated:
      return "truncated";
    case HttpReason::kTooSlow:
      return "too-slow";
    case HttpReason::kConnect:
      return "connect";
    case HttpReason::kDns:
      return "dns";
    case HttpReason::kTls:
      return "tls";
    case HttpReason::kBadRequest:
      return "bad-request";
    case HttpReason::kCancelled:
      return "cancelled";
    case HttpReason::kHandler:
      return "handler";
  }
  return "unknown";
}

HttpFailure ClassifyStatus(int status, const StatusRules& rules) {
  using Advice = UpstreamAdvice;
  switch (status) {
    case 404:
    case 410:
      return Make(ErrorCode::kNotFound, HttpReason::kMissing, Advice::kGoOn, status);
    case 403:
      return rules.forbidden_means_missing
                 ? Make(ErrorCode::kNotFound, HttpReason::kMissing, Advice::kGoOn, status)
                 : Make(ErrorCode::kUnavailable, HttpReason::kForbidden, Advice::kSlowDown, status);
    case 400:
    case 401:
    case 407:
    case 418:
    case 451:
      return Make(ErrorCode::kFailedPrecondition, HttpReason::kRefusedByUpstream, Advice::kStop,
                  status);
    case 429:
    case 503:
      return Make(ErrorCode::kUnavailable, HttpReason::kThrottled, Advice::kSlowDown, status);
    case 501:
    case 505:
    case 511:
      return Make(ErrorCode::kFailedPrecondition, HttpReason::kUnsupported, Advice::kStop, status);
    case 408:
      return Make(ErrorCode::kUnavailable, HttpReason::kServerError, Advice::kGoOn, status);
    case 416:
      return Make(ErrorCode::kOutOfRange, HttpReason::kBadRange, Advice::kGoOn, status);
    default:
      break;
  }
  if (status >= 500 && status <= 599) {
    return Make(ErrorCode::kUnavailable, HttpReason::kServerError, Advice::kGoOn, status);
  }
  return Make(ErrorCode::kInvalidArgument, HttpReason::kUnexpectedStatus, Advice::kGoOn, status);
}

std::optional<std::chrono::milliseconds> ParseRetryAfter(std::string_view value,
                                                         Clock::WallTime now) {
  value = TrimBlanks(value);
  if (value.empty()) {
    return std::nullopt;
  }
  const auto clamp = [](std::chrono::milliseconds wait) {
    return std::clamp(wait, std::chrono::milliseconds(0), kRetryAfterMax);
  };
  if (value.find_first_not_of("0123456789") == std::string_view::npos) {
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
    const bool fits = error == std::errc() && seconds <= kRetryAfterMax / std::chrono::seconds(1);
    return fits ? clamp(std::chrono::seconds(seconds)) : kRetryAfterMax;
  }
  // curl_getdate guesses at almost anything; a date has a time of day and begins with a letter.
  const bool letter = (value.front() | 0x20) >= 'a' && (value.front() | 0x20) <= 'z';
  if (!letter || value.find(':') == std::string_view::npos) {
    return std::nullopt;
  }
  const auto date = ::curl_getdate(std::string(value).c_str(), nullptr);
  if (date < 0) {
    return std::nullopt;
  }
  const auto now_s = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch());
  const auto distance_s = static_cast<std::int64_t>(date) - now_s.count();
  const auto bounded_s = std::clamp<std::int64_t>(distance_s, 0, 1'000'000);
  return clamp(std::chrono::seconds(bounded_s));
}

}  // namespace hnx::http
