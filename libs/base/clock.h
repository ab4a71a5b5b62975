// Clock: the only way to ask for the time, so that tests can turn it. Durations and deadlines use
// steady time; wall time is for what people read. Leases and schedules use the database's clock,
// not this one.
#pragma once

#include <atomic>
#include <chrono>

namespace hnx {

class Clock {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;
  using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;

  virtual ~Clock() = default;
  virtual SteadyTime Steady() const = 0;
  virtual WallTime Wall() const = 0;

  // The machine's clock. Thread-safe, lives for ever.
  static const Clock& Real();
};

// Stands still until told to move. Thread-safe.
class FakeClock final : public Clock {
 public:
  SteadyTime Steady() const override;
  WallTime Wall() const override;
  void Advance(std::chrono::milliseconds by);

 private:
  std::atomic<std::int64_t> now_ms_{1'000'000};
};

}  // namespace hnx
