#include "hyper/transport/event_loop.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace hnx::hyper {
namespace {

using std::chrono::milliseconds;

TEST(EventLoopTest, RunsWhatIsPostedFromManyThreadsInEachOnesOrder) {
  constexpr int kThreads = 8;
  constexpr int kEach = 2000;
  EventLoop loop("test", Clock::Real());
  loop.Start();
  std::vector<int> last(kThreads, -1);
  bool in_order = true;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        ASSERT_TRUE(loop.Post([&, t, i] {
          in_order = in_order && last[static_cast<std::size_t>(t)] == i - 1;
          last[static_cast<std::size_t>(t)] = i;
        }));
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  loop.RunAndWait([&] {
    EXPECT_TRUE(in_order);
    EXPECT_EQ(last, std::vector<int>(kThreads, kEach - 1));
    EXPECT_TRUE(loop.OnLoopThread());
  });
  EXPECT_FALSE(loop.OnLoopThread());
}

TEST(EventLoopTest, MayBeStoppedFromManyThreadsWhileOthersPost) {
  for (int round = 0; round < 10; ++round) {
    EventLoop loop("test", Clock::Real());
    loop.Start();
    std::atomic<int> ran{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        while (loop.Post([&] { ++ran; })) {
        }
      });
    }
    threads.emplace_back([&] { loop.Stop(); });
    threads.emplace_back([&] { loop.Stop(); });
    for (std::thread& thread : threads) {
      thread.join();
    }
    EXPECT_FALSE(loop.Post([] {}));
  }
}

TEST(EventLoopTest, DestroysTasksThatItNeverRan) {
  const auto token = std::make_shared<int>(1);
  {
    EventLoop loop("test", Clock::Real());
    EXPECT_TRUE(loop.Post([token] {}));
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST(EventLoopTest, TimersRunInTheOrderOfTheirTimesWhenTheClockHasPassedThem) {
  FakeClock clock;
  EventLoop loop("test", clock);
  loop.Start();
  std::vector<int> ran;
  loop.RunAndWait([&] {
    loop.After(milliseconds(200), [&] { ran.push_back(200); });
    loop.After(milliseconds(100), [&] { ran.push_back(100); });
    loop.After(milliseconds(300), [&] { ran.push_back(300); });
  });
  loop.RunAndWait([&] { EXPECT_TRUE(ran.empty()); });
  clock.Advance(milliseconds(250));
  loop.RunAndWait([] {});
  loop.RunAndWait([&] { EXPECT_EQ(ran, (std::vector<int>{100, 200})); });
}

TEST(EventLoopTest, ATimerThatWasCancelledDoesNotRun) {
  FakeClock clock;
  EventLoop loop("test", clock);
  loop.Start();
  bool ran = false;
  loop.RunAndWait([&] {
    const EventLoop::TimerId timer = loop.After(milliseconds(100), [&] { ran = true; });
    loop.After(milliseconds(50), [&loop, timer] { loop.Cancel(timer); });
    loop.Cancel(EventLoop::TimerId::kNone);
  });
  clock.Advance(milliseconds(1000));
  loop.RunAndWait([] {});
  loop.RunAndWait([&] { EXPECT_FALSE(ran); });
}

TEST(EventLoopTest, ATimerOfNoDelayWaitsForTheNextTurn) {
  FakeClock clock;
  EventLoop loop("test", clock);
  loop.Start();
  int ran = 0;
  std::function<void()> again = [&] {
    if (++ran < 3) {
      loop.After(milliseconds(0), again);
    }
  };
  loop.RunAndWait([&] {
    loop.After(milliseconds(0), again);
    EXPECT_EQ(ran, 0);
  });
  for (int i = 0; i < 5; ++i) {
    loop.RunAndWait([] {});
  }
  loop.RunAndWait([&] { EXPECT_EQ(ran, 3); });
}

TEST(EventLoopTest, TheRealClockWakesItByItself) {
  EventLoop loop("test", Clock::Real());
  std::atomic<bool> ran{false};
  std::atomic<bool> done{false};
  loop.Start();
  loop.RunAndWait([&] {
    loop.After(milliseconds(20), [&] {
      ran = true;
      done = true;
      done.notify_all();
    });
  });
  done.wait(false);
  EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace hnx::hyper
