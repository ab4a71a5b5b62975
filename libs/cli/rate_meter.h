// RateMeter: how fast a counter grows, over the last seconds, and when it will arrive. Not
// thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

#include "base/clock.h"

namespace hnx::cli {

class RateMeter {
 public:
  explicit RateMeter(std::chrono::milliseconds window = std::chrono::seconds(30))
      : window_(window) {}

  // A counter that went back (a restarted coordinator) begins anew.
  void Add(Clock::SteadyTime at, std::uint64_t value);
  // Units a second over the window; 0 until two samples are at least kSpanMin apart.
  double PerSecond() const;
  // Nothing while nothing moves.
  std::optional<std::chrono::milliseconds> TimeTo(std::uint64_t total) const;

  static constexpr std::chrono::milliseconds kSpanMin{500};
  static constexpr std::size_t kSamplesMax = 256;

 private:
  struct Sample {
    Clock::SteadyTime at;
    std::uint64_t value = 0;
  };
  std::chrono::milliseconds window_;
  std::deque<Sample> samples_;
};

}  // namespace hnx::cli
