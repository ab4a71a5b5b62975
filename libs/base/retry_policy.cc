#include "base/retry_policy.h"

#include <algorithm>

namespace hnx {

bool IsRetryable(ErrorCode code) {
  return code == ErrorCode::kUnavailable || code == ErrorCode::kDeadlineExceeded ||
         code == ErrorCode::kAborted || code == ErrorCode::kResourceExhausted;
}

std::chrono::milliseconds RetryPolicy::Delay(
    int attempt, std::mt19937_64& random,
    std::optional<std::chrono::milliseconds> retry_after) const {
  constexpr int kDoublingsMax = 20;
  const auto doublings = std::clamp(attempt - 1, 0, kDoublingsMax);
  const auto ceiling = std::min(cap, base * (std::int64_t{1} << doublings));
  std::uniform_int_distribution<std::int64_t> jitter(ceiling.count() / 2, ceiling.count());
  std::chrono::milliseconds delay(jitter(random));
  if (retry_after) {
    delay = std::max(delay, std::min(*retry_after, retry_after_cap));
  }
  return delay;
}

}  // namespace hnx
