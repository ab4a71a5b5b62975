#include "coordinator/domain/failure_policy.h"

#include <algorithm>

namespace hnx::coordinator {
namespace {

bool SaysSlowDown(std::string_view reason) {
  return reason == "http-429" || reason == "http-503" || reason == "throttled";
}

NarDecision Again(int attempt, int attempts_max, std::chrono::milliseconds delay) {
  return {.verdict = attempt >= attempts_max ? NarVerdict::kSetAside : NarVerdict::kRetry,
          .delay = delay};
}

NarDecision DecideByClass(const FailurePolicyOptions& options, const NarFailureFacts& facts,
                          FailureClass failure, std::mt19937_64& random) {
  const int attempt = facts.attempts_before + 1;
  switch (failure) {
    case FailureClass::kAbsent:
      return {.verdict = NarVerdict::kMissing};
    case FailureClass::kWorker:
      return {.verdict = NarVerdict::kRelease, .delay = options.uncounted_delay};
    case FailureClass::kWrongBytes:
      return Again(attempt, options.wrong_bytes_attempts_max, options.wrong_bytes_delay);
    case FailureClass::kThrottled:
    case FailureClass::kPassing:
      break;
  }
  const auto delay = options.transient.Delay(attempt, random, facts.retry_after);
  if (facts.host_in_trouble) {
    return {.verdict = NarVerdict::kRelease, .delay = delay};
  }
  return Again(attempt,
               failure == FailureClass::kThrottled ? options.throttled_attempts_max
                                                   : options.transient.attempts_max,
               delay);
}

}  // namespace

std::string_view FailureClassName(FailureClass failure) {
  switch (failure) {
    case FailureClass::kAbsent:
      return "absent";
    case FailureClass::kThrottled:
      return "throttled";
    case FailureClass::kPassing:
      return "passing";
    case FailureClass::kWrongBytes:
      return "wrong-bytes";
    case FailureClass::kWorker:
      break;
  }
  return "worker";
}

FailureClass ClassifyFailure(ErrorCode code, std::string_view reason) {
  switch (code) {
    case ErrorCode::kNotFound:
      return FailureClass::kAbsent;
    case ErrorCode::kResourceExhausted:
    case ErrorCode::kCancelled:
    case ErrorCode::kAborted:
      return FailureClass::kWorker;
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kDataLoss:
    case ErrorCode::kUnauthenticated:
    case ErrorCode::kOutOfRange:
    case ErrorCode::kUnimplemented:
      return FailureClass::kWrongBytes;
    default:
      return SaysSlowDown(reason) ? FailureClass::kThrottled : FailureClass::kPassing;
  }
}

NarDecision DecideNarFailure(const FailurePolicyOptions& options, const NarFailureFacts& facts,
                             std::mt19937_64& random) {
  NarDecision decision =
      DecideByClass(options, facts, ClassifyFailure(facts.code, facts.reason), random);
  if (facts.retry_after && facts.retry_after->count() > 0) {
    decision.pause_upstream = std::min(*facts.retry_after, options.transient.retry_after_cap);
  }
  return decision;
}

}  // namespace hnx::coordinator
