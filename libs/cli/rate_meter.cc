#include "cli/rate_meter.h"

#include <algorithm>

namespace hnx::cli {

void RateMeter::Add(Clock::SteadyTime at, std::uint64_t value) {
  if (!samples_.empty() && value < samples_.back().value) {
    samples_.clear();
  }
  // Samples closer than this add nothing to a window of kSamplesMax.
  const auto spacing = window_ / (kSamplesMax / 2);
  if (samples_.size() >= 2 && at - samples_[samples_.size() - 2].at < spacing) {
    samples_.back() = {at, value};
  } else {
    samples_.push_back({at, value});
  }
  while (samples_.size() > 2 && (at - samples_[1].at > window_ || samples_.size() > kSamplesMax)) {
    samples_.pop_front();
  }
}

double RateMeter::PerSecond() const {
  if (samples_.size() < 2) {
    return 0;
  }
  const std::chrono::duration<double> span = samples_.back().at - samples_.front().at;
  if (span < kSpanMin) {
    return 0;
  }
  return static_cast<double>(samples_.back().value - samples_.front().value) / span.count();
}

std::optional<std::chrono::milliseconds> RateMeter::TimeTo(std::uint64_t total) const {
  const double rate = PerSecond();
  if (samples_.empty() || rate <= 0 || total < samples_.back().value) {
    return std::nullopt;
  }
  const double seconds = static_cast<double>(total - samples_.back().value) / rate;
  constexpr double kSecondsMax = 1e9;
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::min(seconds, kSecondsMax) * 1e3));
}

}  // namespace hnx::cli
