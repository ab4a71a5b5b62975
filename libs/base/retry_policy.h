// RetryPolicy: how long to wait before attempt n + 1. Exponential with full jitter and a cap; a
// Retry-After of the server is a floor, itself capped. Whether to retry at all is IsRetryable's to
// say, from the code.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>

#include "base/result.h"

namespace hnx {

// Transient by its code: a later attempt may succeed with nothing changed on our side.
bool IsRetryable(ErrorCode code);

struct RetryPolicy {
  std::chrono::milliseconds base{500};
  std::chrono::milliseconds cap{60'000};
  std::chrono::milliseconds retry_after_cap{300'000};
  int attempts_max = 5;

  // attempt counts from 1: the attempt that just failed.
  std::chrono::milliseconds Delay(int attempt, std::mt19937_64& random,
                                  std::optional<std::chrono::milliseconds> retry_after = {}) const;
};

}  // namespace hnx
