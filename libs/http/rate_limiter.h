// RateLimiter: a token bucket over the bytes of all transfers. Taking is always allowed and may
// leave a debt; while there is one, the caller pauses its sockets. One thread.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace hnx::http {

class RateLimiter {
 public:
  explicit RateLimiter(const Clock& clock) : clock_(clock), refilled_(clock.Steady()) {}

  // 0: no limit.
  void SetRate(std::uint64_t bytes_per_second);
  // False when the bucket is in debt afterwards: stop reading until Wait() is zero.
  bool Take(std::uint64_t bytes);
  std::chrono::milliseconds Wait();

 private:
  void Refill();

  const Clock& clock_;
  Clock::SteadyTime refilled_;
  double rate_ = 0;    // bytes a second; 0: no limit
  double tokens_ = 0;  // bytes; negative: debt
};

}  // namespace hnx::http
