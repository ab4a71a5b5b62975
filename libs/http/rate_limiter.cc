#include "http/rate_limiter.h"

#include <algorithm>
#include <cmath>

namespace hnx::http {
namespace {
// What may be sent in one burst after idling.
constexpr double kBurstSeconds = 0.1;
}  // namespace

void RateLimiter::SetRate(std::uint64_t bytes_per_second) {
  Refill();
  rate_ = static_cast<double>(bytes_per_second);
  tokens_ = std::min(tokens_, rate_ * kBurstSeconds);
}

bool RateLimiter::Take(std::uint64_t bytes) {
  if (rate_ == 0) {
    return true;
  }
  Refill();
  tokens_ -= static_cast<double>(bytes);
  return tokens_ >= 0;
}

std::chrono::milliseconds RateLimiter::Wait() {
  if (rate_ == 0) {
    return std::chrono::milliseconds(0);
  }
  Refill();
  if (tokens_ >= 0) {
    return std::chrono::milliseconds(0);
  }
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(-tokens_ / rate_ * 1000)));
}

void RateLimiter::Refill() {
  const auto now = clock_.Steady();
  const std::chrono::duration<double> passed = now - refilled_;
  refilled_ = now;
  tokens_ = std::min(tokens_ + rate_ * passed.count(), rate_ * kBurstSeconds);
}

}  // namespace hnx::http
