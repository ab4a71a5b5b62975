// TokenBucket: so many at once, so many per second. Two ways to use it: TryTake for what is refused
// when there are no tokens (opens of channels), Take and Wait for what may run into debt and then
// pauses (bytes). One thread.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace hnx::hyper {

class TokenBucket {
 public:
  // `per_second` 0: no limit. The bucket is full at first. `clock` must outlive it.
  TokenBucket(const Clock& clock, std::uint64_t burst, std::uint64_t per_second);

  bool limited() const { return per_second_ > 0; }
  // False and nothing taken when there are fewer than `count` tokens.
  bool TryTake(std::uint64_t count);
  // Always takes; the bucket may be in debt afterwards.
  void Take(std::uint64_t count);
  // Until the bucket holds a token again; zero when it does.
  std::chrono::milliseconds Wait();

 private:
  void Refill();

  const Clock* clock_;
  Clock::SteadyTime refilled_;
  double burst_;
  double per_second_;
  double tokens_;
};

}  // namespace hnx::hyper
