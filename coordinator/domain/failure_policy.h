// FailurePolicy: what becomes of a NAR that a worker could not store. Pure. The table of classes is
// in docs/STATE_MACHINE.md, and so are the reason words.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <string_view>

#include "base/result.h"
#include "base/retry_policy.h"

namespace hnx::coordinator {

enum class FailureClass {
  kAbsent,      // upstream says that there is none (404, 410)
  kThrottled,   // upstream asks for fewer requests (429, 503): speaks of our rate, not of the NAR
  kPassing,     // 5xx, time-outs, broken connections
  kWrongBytes,  // it came, and is not what was signed
  kWorker,      // the worker's own trouble: disk full, cancelled, lease lost
};

// "absent", "throttled", "passing", "wrong-bytes" or "worker".
std::string_view FailureClassName(FailureClass failure);

// `reason`: the worker's word, "http-429".
FailureClass ClassifyFailure(ErrorCode code, std::string_view reason);

struct FailurePolicyOptions {
  // Transient failures: then it is set aside, until somebody asks for the release again.
  RetryPolicy transient{.base = std::chrono::milliseconds(500),
                        .cap = std::chrono::milliseconds(120'000),
                        .retry_after_cap = std::chrono::milliseconds(300'000),
                        .attempts_max = 10};
  // Wrong bytes: a cached copy may have been damaged, so once more.
  int wrong_bytes_attempts_max = 2;
  std::chrono::milliseconds wrong_bytes_delay{1'000};
  // Throttled: the whole upstream is held back, so many of these have time to pass.
  int throttled_attempts_max = 50;
  // So many passing failures in a row open the breaker of the upstream's host; it is probed after a
  // wait that grows while it stays open.
  int breaker_failures = 5;
  RetryPolicy breaker{.base = std::chrono::milliseconds(2'000),
                      .cap = std::chrono::milliseconds(120'000)};
  // A worker's own trouble: another worker may take it at once, this one soon.
  std::chrono::milliseconds uncounted_delay{2'000};
};

enum class NarVerdict {
  kMissing,   // upstream has none
  kRetry,     // wanted again after `delay`, counted
  kRelease,   // wanted again after `delay`, not counted
  kSetAside,  // refused for good
};

struct NarDecision {
  NarVerdict verdict = NarVerdict::kRetry;
  std::chrono::milliseconds delay{0};
  // Hold back everything that goes to this upstream for so long.
  std::chrono::milliseconds pause_upstream{0};
};

struct NarFailureFacts {
  ErrorCode code = ErrorCode::kUnknown;
  std::string_view reason{};
  int attempts_before = 0;  // counted failures before this one
  std::optional<std::chrono::milliseconds> retry_after{};
  // The host's breaker is open: what passes is not the NAR's fault.
  bool host_in_trouble = false;
};

NarDecision DecideNarFailure(const FailurePolicyOptions& options, const NarFailureFacts& facts,
                             std::mt19937_64& random);

}  // namespace hnx::coordinator
