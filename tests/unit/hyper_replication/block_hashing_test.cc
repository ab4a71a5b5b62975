// Blocks that are hashed beside the loop: they count when that is done, not before.
#include "hyper/replication/block_hashing.h"

#include <deque>
#include <functional>

#include "swarm_fixture.h"

namespace hnx::hyper {
namespace {

class HashingTest : public SwarmTest {
 protected:
  static constexpr std::size_t kBlock = 20'000;

  // Its hashing thread is in the test's hand.
  Node& Client() {
    Node& node = AddNode();
    node.replicator.SetHelpers({{}, [this](auto work, auto done) {
                                  waiting_.push_back([work, done] {
                                    work();
                                    done();
                                  });
                                }});
    return node;
  }
  void HashAll() {
    while (!waiting_.empty()) {
      const std::function<void()> next = std::move(waiting_.front());
      waiting_.pop_front();
      next();
      Settle();
    }
  }

  std::deque<std::function<void()>> waiting_;
};

TEST_F(HashingTest, ABlockCountsWhenItIsHashed) {
  Writer writer;
  writer.Append(20, kBlock);
  Node& server = Serve(writer);
  Node& client = Client();
  client.Mirror(writer.key());
  Connect(client, server);
  Settle();
  EXPECT_EQ(waiting_.size(), 20U);
  EXPECT_EQ(client.StatisticsOf(writer.key()).download.blocks_received, 0U);
  HashAll();
  Finish();
  EXPECT_EQ(client.replica(writer.key()).contiguous_length(), 20U);
  EXPECT_EQ(Must(client.replica(writer.key()).Get(BlockIndex(7))), writer.BlockOf(7));
}

TEST_F(HashingTest, SmallBlocksAndWhatIsBeyondTheLimitAreHashedInPlace) {
  constexpr std::size_t kLargeBlock = 200'000;
  Writer writer;
  writer.Append(5, 100);
  writer.Append(2 * kHashedBesideBytesMax / kLargeBlock, kLargeBlock);
  Node& server = Serve(writer);
  Node& client = Client();
  client.Mirror(writer.key());
  Connect(client, server);
  Settle();
  EXPECT_EQ(waiting_.size(), kHashedBesideBytesMax / kLargeBlock);
  EXPECT_EQ(client.StatisticsOf(writer.key()).download.blocks_received,
            writer.head().length - waiting_.size());
  HashAll();
  Finish();
  EXPECT_EQ(client.replica(writer.key()).contiguous_length(), writer.head().length);
}

TEST_F(HashingTest, WhatAPeerGaveThatLeftMeanwhileIsAskedForElsewhere) {
  Writer writer;
  writer.Append(20, kBlock);
  Node& first = Serve(writer);
  Node& client = Client();
  client.Mirror(writer.key());
  Connect(client, first);
  Settle();
  ASSERT_EQ(waiting_.size(), 20U);
  client.replicator.RemoveStream(1, Unavailable("the cable was pulled"));
  HashAll();
  EXPECT_EQ(client.StatisticsOf(writer.key()).download.blocks_received, 0U);
  Node& second = Serve(writer);
  Connect(client, second);
  Settle();
  HashAll();
  Finish();
  EXPECT_EQ(client.replica(writer.key()).contiguous_length(), 20U);
}

TEST_F(HashingTest, ACoreThatIsRemovedMeanwhileIsNotTouched) {
  Writer writer;
  writer.Append(20, kBlock);
  Node& server = Serve(writer);
  Node& client = Client();
  client.Mirror(writer.key());
  Connect(client, server);
  Settle();
  client.replicator.RemoveCore(writer.key());
  HashAll();
  EXPECT_FALSE(client.replicator.HasCore(writer.key()));
}

}  // namespace
}  // namespace hnx::hyper
