#include "hyper/transport/write_queue.h"

#include <array>

#include "wire_fixture.h"

namespace hnx::hyper {
namespace {

Bytes Content(const WriteQueue& queue, std::size_t bytes_max, std::size_t pieces_max = 64) {
  std::vector<ByteView> views(pieces_max);
  const std::size_t count = queue.Gather(views, bytes_max);
  Bytes all;
  for (std::size_t i = 0; i < count; ++i) {
    AppendTo(all, views[i]);
  }
  return all;
}

TEST(WriteQueueTest, GivesFramesInOrderHoweverTheyAreConsumed) {
  WriteQueue queue;
  Bytes expected;
  for (const std::size_t size : {1U, 20U, 70'000U, 5U, 32'768U, 32'767U, 2U, 100'000U}) {
    const Bytes frame = Filled(size, static_cast<std::uint8_t>(size));
    queue.Append(frame);
    AppendTo(expected, frame);
  }
  EXPECT_EQ(queue.bytes(), expected.size());
  Bytes seen;
  for (const std::size_t step : {1U, 19U, 50'000U, 50'000U, 7U, 1'000'000U}) {
    const Bytes some = Content(queue, step);
    AppendTo(seen, some);
    queue.Consume(some.size());
  }
  EXPECT_EQ(seen, expected);
  EXPECT_TRUE(queue.empty());
}

TEST(WriteQueueTest, GathersNoMoreThanItIsAskedFor) {
  WriteQueue queue;
  for (int i = 0; i < 10; ++i) {
    queue.Append(Filled(40'000));
  }
  EXPECT_EQ(Content(queue, 100'000).size(), 100'000U);
  EXPECT_EQ(Content(queue, 1'000'000, 3).size(), 120'000U);
}

TEST(WriteQueueTest, AFrameInTheMakingIsNotSent) {
  WriteQueue queue;
  queue.Append(Text("done"));
  const std::span<std::byte> room = queue.Reserve(4);
  EXPECT_EQ(Content(queue, 100), Text("done"));
  std::ranges::copy(Text("more"), room.begin());
  queue.Commit();
  EXPECT_EQ(Content(queue, 100), Text("donemore"));
}

TEST(WriteQueueTest, AnAbandonedFrameLeavesNothing) {
  WriteQueue queue;
  (void)queue.Reserve(10);
  queue.Abandon();
  EXPECT_TRUE(queue.empty());
  queue.Append(Text("a"));
  (void)queue.Reserve(100'000);
  queue.Abandon();
  queue.Append(Text("b"));
  EXPECT_EQ(Content(queue, 100), Text("ab"));
}

TEST(WriteQueueTest, AFrameStaysWhereItIsWhileOthersAreWritten) {
  WriteQueue queue;
  queue.Append(Text("first"));
  const std::span<std::byte> room = queue.Reserve(6);
  queue.Consume(5);
  std::ranges::copy(Text("second"), room.begin());
  queue.Commit();
  EXPECT_EQ(Content(queue, 100), Text("second"));
}

}  // namespace
}  // namespace hnx::hyper
