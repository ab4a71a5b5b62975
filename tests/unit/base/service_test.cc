#include "base/service.h"

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace hnx {
namespace {

class Counting final : public LoopService {
 public:
  explicit Counting(std::chrono::milliseconds pause) : LoopService("counting"), pause_(pause) {}
  ~Counting() override { Stop(); }
  Counting(const Counting&) = delete;
  Counting& operator=(const Counting&) = delete;
  Counting(Counting&&) = delete;
  Counting& operator=(Counting&&) = delete;

  std::chrono::milliseconds RunOnce() override {
    ++runs_;
    runs_.notify_all();
    return pause_;
  }
  int runs() const { return runs_; }
  void AwaitRuns(int wanted) const {
    for (int seen = runs_; seen < wanted; seen = runs_) {
      runs_.wait(seen);
    }
  }

 private:
  const std::chrono::milliseconds pause_;
  std::atomic<int> runs_{0};
};

TEST(LoopServiceTest, WakeEndsALongPause) {
  Counting service(std::chrono::hours(1));
  service.Start();
  service.AwaitRuns(1);
  service.Wake();
  service.AwaitRuns(2);
}

TEST(LoopServiceTest, StopEndsALongPauseAndNothingRunsAfterwards) {
  Counting service(std::chrono::hours(1));
  service.Start();
  service.AwaitRuns(1);
  service.Stop();
  const int runs = service.runs();
  service.Wake();
  service.Stop();
  EXPECT_EQ(service.runs(), runs);
}

TEST(LoopServiceTest, ManyThreadsMayStopAtOnce) {
  for (int round = 0; round < 50; ++round) {
    Counting service(std::chrono::milliseconds(0));
    service.Start();
    std::vector<std::thread> stoppers;
    for (int i = 0; i < 4; ++i) {
      stoppers.emplace_back([&service] { service.Stop(); });
    }
    for (auto& stopper : stoppers) {
      stopper.join();
    }
  }
}

TEST(LoopServiceTest, AServiceThatNeverStartedStopsToo) {
  Counting service(std::chrono::milliseconds(0));
  service.Stop();
  EXPECT_EQ(service.runs(), 0);
}

}  // namespace
}  // namespace hnx
