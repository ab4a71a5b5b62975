// FailurePolicy: what becomes of a NAR that a worker could not store. Pure. The classes are
// ErrorCode's; the reason words are in docs/STATE_MACHINE.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>

#include "base/result.h"
#include "base/retry_policy.h"

namespace hnx::coordinator {

struct FailurePolicyOptions {
  // Transient failures: then it is set aside, until somebody asks for the release again.
  RetryPolicy transient{.base = std::chrono::milliseconds(500),
                        .cap = std::chrono::milliseconds(120'000),
                        .retry_after_cap = std::chrono::milliseconds(300'000),
                        .attempts_max = 10};
  // Wrong bytes: a cached copy may have been damaged, so once more.
  int wrong_bytes_attempts_max = 2;
  std::chrono::milliseconds wrong_bytes_delay{1'000};
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

// `attempts_before`: counted failures before this one.
NarDecision DecideNarFailure(const FailurePolicyOptions& options, ErrorCode code,
                             int attempts_before,
                             std::optional<std::chrono::milliseconds> retry_after,
                             std::mt19937_64& random);

}  // namespace hnx::coordinator
