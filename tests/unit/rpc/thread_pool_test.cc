#include "rpc/thread_pool.h"

#include <atomic>
#include <future>

#include <gtest/gtest.h>

namespace hnx::rpc {
namespace {

TEST(ThreadPoolTest, RunsWhatItAcceptedBeforeItEnds) {
  std::atomic<int> ran{0};
  {
    ThreadPool pool("test", 3, 100);
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE(pool.TrySubmit([&] { ++ran; }));
    }
  }
  EXPECT_EQ(ran, 50);
}

TEST(ThreadPoolTest, RefusesWhenTheQueueIsFull) {
  std::promise<void> running;
  std::promise<void> release;
  ThreadPool pool("test", 1, 1);
  ASSERT_TRUE(pool.TrySubmit([&] {
    running.set_value();
    release.get_future().wait();
  }));
  running.get_future().wait();
  EXPECT_TRUE(pool.TrySubmit([] {}));
  EXPECT_FALSE(pool.TrySubmit([] {}));
  release.set_value();
}

}  // namespace
}  // namespace hnx::rpc
