#include "base/clock.h"

namespace hnx {
namespace {

class RealClock final : public Clock {
 public:
  SteadyTime Steady() const override { return std::chrono::steady_clock::now(); }
  WallTime Wall() const override {
    return std::chrono::time_point_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now());
  }
};

}  // namespace

const Clock& Clock::Real() {
  static const RealClock clock;
  return clock;
}

Clock::SteadyTime FakeClock::Steady() const {
  return SteadyTime(std::chrono::milliseconds(now_ms_.load()));
}
Clock::WallTime FakeClock::Wall() const {
  return WallTime(std::chrono::milliseconds(now_ms_.load()));
}
void FakeClock::Advance(std::chrono::milliseconds by) {
  now_ms_ += by.count();
}

}  // namespace hnx
