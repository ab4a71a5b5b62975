#include "base/bounded_queue.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace hnx {
namespace {

TEST(BoundedQueueTest, PopAfterCloseDrainsWhatIsLeftAndThenEnds) {
  BoundedQueue<int> queue(4);
  ASSERT_TRUE(queue.Push(1));
  ASSERT_TRUE(queue.Push(2));
  queue.Close();
  EXPECT_EQ(queue.Pop(), 1);
  EXPECT_EQ(queue.Pop(), 2);
  EXPECT_EQ(queue.Pop(), std::nullopt);
}

TEST(BoundedQueueTest, PushAfterCloseIsRefused) {
  BoundedQueue<int> queue(1);
  queue.Close();
  EXPECT_FALSE(queue.Push(1));
}

TEST(BoundedQueueTest, CloseReleasesAProducerThatWaitsForRoom) {
  BoundedQueue<int> queue(1);
  ASSERT_TRUE(queue.Push(1));
  bool pushed = true;
  std::thread producer([&] { pushed = queue.Push(2); });
  queue.Close();
  producer.join();
  // Either the push came before Close, which cannot be with a full queue, or it was refused.
  EXPECT_FALSE(pushed);
}

TEST(BoundedQueueTest, EveryItemOfManyProducersArrivesOnce) {
  constexpr int kProducers = 4;
  constexpr int kItems = 1000;
  BoundedQueue<int> queue(3);
  std::vector<std::thread> producers;
  producers.reserve(kProducers);
  for (int p = 0; p < kProducers; ++p) {
    producers.emplace_back([&queue, p] {
      for (int i = 0; i < kItems; ++i) {
        ASSERT_TRUE(queue.Push(p * kItems + i));
      }
    });
  }
  std::vector<int> seen(kProducers * kItems, 0);
  for (int i = 0; i < kProducers * kItems; ++i) {
    ++seen.at(static_cast<std::size_t>(*queue.Pop()));
  }
  for (auto& producer : producers) {
    producer.join();
  }
  EXPECT_EQ(seen, std::vector<int>(kProducers * kItems, 1));
}

}  // namespace
}  // namespace hnx
