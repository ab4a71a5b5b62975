#include "coordinator/walk/walk_failure.h"

#include <algorithm>

#include <fmt/format.h>

#include "nix/reject_reason.h"

namespace hnx::coordinator {
namespace {

// Messages quote foreign bytes; SQL text takes neither NUL nor broken UTF-8, and people no novel.
std::string Presentable(const std::string& message) {
  constexpr std::size_t kMessageBytesMax = 1000;
  std::string clean = message.substr(0, kMessageBytesMax);
  std::replace_if(
      clean.begin(), clean.end(),
      [](char c) {
        return static_cast<unsigned char>(c) < ' ' || static_cast<unsigned char>(c) > '~';
      },
      '?');
  return clean;
}

}  // namespace

PathFailure DecideRefusal(const WalkFailureOptions& options, const FrontierPath& path,
                          const Error& error, std::mt19937_64& random) {
  const auto reason = nix::ReasonOf(error);
  PathFailure failure;
  failure.path = path.path;
  failure.attempts = path.attempts + 1;
  failure.reason = reason ? std::string(nix::RejectReasonName(*reason)) : "refused";
  failure.message = Presentable(error.message);
  const int retries = std::max(options.refused_retries, reason ? nix::RetriesMax(*reason) : 0);
  if (failure.attempts > retries) {
    failure.verdict = PathFailure::Verdict::kSetAside;
    return failure;
  }
  failure.retry_in = options.refused.Delay(failure.attempts, random);
  return failure;
}

PathFailure DecideTransferFailure(const WalkFailureOptions& options, const FrontierPath& path,
                                  const http::HttpFailure& failure, bool counted,
                                  std::mt19937_64& random) {
  PathFailure decided;
  decided.path = path.path;
  decided.reason = ReasonWord(failure);
  decided.message = Presentable(failure.message);
  decided.attempts = path.attempts + (counted ? 1 : 0);
  if (failure.code == ErrorCode::kNotFound) {
    decided.verdict = PathFailure::Verdict::kMissing;
    return decided;
  }
  const int transient_max = failure.reason == http::HttpReason::kThrottled
                                ? options.throttled_attempts_max
                                : options.transient.attempts_max;
  const int attempts_max = IsTransient(failure) ? transient_max : options.refused_retries + 1;
  if (counted && decided.attempts >= attempts_max) {
    decided.verdict = PathFailure::Verdict::kSetAside;
    return decided;
  }
  const RetryPolicy& policy = IsTransient(failure) ? options.transient : options.refused;
  decided.retry_in = policy.Delay(std::max(1, decided.attempts), random, failure.retry_after);
  return decided;
}

bool IsTransient(const http::HttpFailure& failure) {
  return failure.code == ErrorCode::kUnavailable || failure.code == ErrorCode::kDeadlineExceeded ||
         failure.code == ErrorCode::kCancelled;
}

std::string ReasonWord(const http::HttpFailure& failure) {
  constexpr int kErrorStatusMin = 400;
  return failure.status >= kErrorStatusMin ? fmt::format("http-{}", failure.status)
                                           : std::string(http::HttpReasonName(failure.reason));
}

}  // namespace hnx::coordinator
