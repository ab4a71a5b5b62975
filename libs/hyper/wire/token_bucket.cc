#include "hyper/wire/token_bucket.h"

#include <algorithm>
#include <cmath>

namespace hnx::hyper {

TokenBucket::TokenBucket(const Clock& clock, std::uint64_t burst, std::uint64_t per_second)
    : clock_(&clock),
      refilled_(clock.Steady()),
      burst_(static_cast<double>(burst)),
      per_second_(static_cast<double>(per_second)),
      tokens_(burst_) {}

bool TokenBucket::TryTake(std::uint64_t count) {
  if (!limited()) {
    return true;
  }
  Refill();
  const auto wanted = static_cast<double>(count);
  if (tokens_ < wanted) {
    return false;
  }
  tokens_ -= wanted;
  return true;
}

void TokenBucket::Take(std::uint64_t count) {
  if (limited()) {
    Refill();
    tokens_ -= static_cast<double>(count);
  }
}

std::chrono::milliseconds TokenBucket::Wait() {
  if (!limited()) {
    return std::chrono::milliseconds(0);
  }
  Refill();
  if (tokens_ >= 1) {
    return std::chrono::milliseconds(0);
  }
  const double seconds = (1 - tokens_) / per_second_;
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(seconds * 1000)));
}

void TokenBucket::Refill() {
  const Clock::SteadyTime now = clock_->Steady();
  const std::chrono::duration<double> passed = now - refilled_;
  refilled_ = now;
  tokens_ = std::min(burst_, tokens_ + passed.count() * per_second_);
}

}  // namespace hnx::hyper
