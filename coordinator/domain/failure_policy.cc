#include "coordinator/domain/failure_policy.h"

#include <algorithm>

namespace hnx::coordinator {
namespace {

enum class FailureClass { kAbsent, kWorker, kTransient, kWrongBytes };

FailureClass Classify(ErrorCode code) {
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
      return FailureClass::kTransient;
  }
}

}  // namespace

NarDecision DecideNarFailure(const FailurePolicyOptions& options, ErrorCode code,
                             int attempts_before,
                             std::optional<std::chrono::milliseconds> retry_after,
                             std::mt19937_64& random) {
  const int attempt = attempts_before + 1;
  NarDecision decision;
  if (retry_after && retry_after->count() > 0) {
    decision.pause_upstream = std::min(*retry_after, options.transient.retry_after_cap);
  }
  switch (Classify(code)) {
    case FailureClass::kAbsent:
      decision.verdict = NarVerdict::kMissing;
      break;
    case FailureClass::kWorker:
      decision.verdict = NarVerdict::kRelease;
      decision.delay = options.uncounted_delay;
      break;
    case FailureClass::kWrongBytes:
      decision.verdict =
          attempt >= options.wrong_bytes_attempts_max ? NarVerdict::kSetAside : NarVerdict::kRetry;
      decision.delay = options.wrong_bytes_delay;
      break;
    case FailureClass::kTransient:
      decision.verdict =
          attempt >= options.transient.attempts_max ? NarVerdict::kSetAside : NarVerdict::kRetry;
      decision.delay = options.transient.Delay(attempt, random, retry_after);
      break;
  }
  return decision;
}

}  // namespace hnx::coordinator
