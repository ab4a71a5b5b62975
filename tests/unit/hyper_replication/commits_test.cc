// When what peers send becomes durable, and what goes on meanwhile.
#include <deque>
#include <functional>

#include "swarm_fixture.h"

namespace hnx::hyper {
namespace {

// The thread that waits for the disk, in the test's hand.
class SlowDisk {
 public:
  RunBeside Beside() {
    return [this](std::function<void()> work, std::function<void()> done) {
      waiting_.push_back({std::move(work), std::move(done)});
    };
  }
  std::size_t waiting() const { return waiting_.size(); }
  // One commit reaches the disk.
  void Work() {
    const Task task = std::move(waiting_.front());
    waiting_.pop_front();
    task.work();
    task.done();
  }
  void WorkOffAll() {
    while (!waiting_.empty()) {
      Work();
    }
  }

 private:
  struct Task {
    std::function<void()> work;
    std::function<void()> done;
  };
  std::deque<Task> waiting_;
};

class CommitsTest : public SwarmTest {
 protected:
  // A core that goes waits for its commit.
  void TearDown() override { FinishWithDisk(); }

  Node& SlowClient() {
    Node& node = AddNode();
    node.replicator.SetHelpers({disk_.Beside(), {}});
    return node;
  }
  void FinishWithDisk() {
    do {
      disk_.WorkOffAll();
      Finish();
    } while (disk_.waiting() > 0);
  }

  SlowDisk disk_;
};

TEST_F(CommitsTest, ManySmallBlocksComeWithoutAPause) {
  Writer writer;
  writer.Append(3 * kReplicaStagedBlocksMax, 8);
  Node& server = Serve(writer);
  Node& client = AddNode();
  client.Mirror(writer.key());
  Connect(client, server);
  Settle();  // no time passes
  Must(client.replicator.FindDownloader(writer.key())->Commit());
  EXPECT_EQ(client.replica(writer.key()).contiguous_length(), writer.head().length);
  EXPECT_TRUE(client.events.troubles.empty());
}

TEST_F(CommitsTest, BlocksComeWhileACommitWaitsForTheDisk) {
  Writer writer;
  writer.Append(400, 60'000);
  Node& server = Serve(writer);
  Node& client = SlowClient();
  client.Mirror(writer.key());
  Connect(client, server);
  Settle();
  ASSERT_EQ(disk_.waiting(), 1U) << "one commit at a time: the head's";
  EXPECT_TRUE(client.events.heads.empty()) << "nothing is told before it is durable";
  disk_.Work();
  Settle();
  EXPECT_EQ(client.events.heads.size(), 1U);
  ASSERT_EQ(disk_.waiting(), 1U);
  EXPECT_EQ(client.replica(writer.key()).contiguous_length(), 0U);
  const std::uint64_t received = client.StatisticsOf(writer.key()).download.bytes_received;
  EXPECT_GT(received, kReplicaCommitBytes);
  FinishWithDisk();
  EXPECT_EQ(client.replica(writer.key()).contiguous_length(), 400U);
}

TEST_F(CommitsTest, ADiskThatIsSlowerThanThePeersHoldsThemBack) {
  Writer writer;
  writer.Append(800, 60'000);
  Node& server = Serve(writer);
  Node& client = SlowClient();
  client.Mirror(writer.key());
  Connect(client, server);
  Settle();
  disk_.Work();  // the head
  Settle();
  const std::uint64_t received = client.StatisticsOf(writer.key()).download.bytes_received;
  EXPECT_LE(received, kUncommittedBytesMax + kPeerWindowBytesMax);
  EXPECT_LT(received, writer.head().byte_length);
  EXPECT_TRUE(client.events.troubles.empty());
  FinishWithDisk();
  EXPECT_EQ(client.replica(writer.key()).contiguous_length(), 800U);
  EXPECT_TRUE(client.events.troubles.empty());
}

TEST_F(CommitsTest, APeerIsServedOnlyWhatIsDurable) {
  Writer writer;
  writer.Append(50);
  Node& server = Serve(writer);
  Node& middle = SlowClient();
  middle.Mirror(writer.key());
  Connect(middle, server);
  Node& last = AddNode();
  last.Mirror(writer.key());
  Connect(last, middle);
  Settle();
  EXPECT_EQ(last.replica(writer.key()).length(), 0U);
  FinishWithDisk();
  EXPECT_EQ(last.replica(writer.key()).contiguous_length(), 50U);
}

TEST_F(CommitsTest, AFetchOfWhatIsNotDurableYetIsAnsweredAtOnce) {
  Writer writer;
  writer.Append(50);
  Node& server = Serve(writer);
  Node& client = SlowClient();
  client.Mirror(writer.key());
  Connect(client, server);
  Settle();
  disk_.Work();
  Settle();
  ASSERT_EQ(client.replica(writer.key()).contiguous_length(), 0U);
  Bytes got;
  Must(
      client.replicator.FindDownloader(writer.key())
          ->Fetch(BlockIndex(7), 1, [&got](Result<Bytes> block) { got = Must(std::move(block)); }));
  EXPECT_EQ(got, writer.BlockOf(7));
}

TEST_F(CommitsTest, ACoreThatGoesWhileItsHeadIsCommittedIsOpenedNowhereAgain) {
  Writer writer;
  writer.Append(50);
  Node& server = Serve(writer);
  Node& client = AddNode();
  client.replicator.SetHelpers(
      {[](const std::function<void()>& work, const auto& /*later*/) { work(); }, {}});
  client.Mirror(writer.key());
  Connect(client, server);
  Settle();
  ASSERT_TRUE(client.events.heads.empty());
  client.replicator.RemoveCore(writer.key());
  EXPECT_EQ(client.events.heads.size(), 1U);
  client.replicator.RemoveStream(1, Unavailable("the cable was pulled"));
  Settle();
  EXPECT_EQ(client.replicator.stream_count(), 0U);
}

TEST_F(CommitsTest, ACommitThatIsAskedForWaitsForTheOneUnderWay) {
  Writer writer;
  writer.Append(50);
  Node& server = Serve(writer);
  Node& client = AddNode();
  // Reaches the disk while the test waits for it, and comes back when all is over.
  std::vector<std::function<void()>> done;
  client.replicator.SetHelpers({[&done](const std::function<void()>& work, auto later) {
                                  work();
                                  done.push_back(std::move(later));
                                },
                                {}});
  client.Mirror(writer.key());
  Connect(client, server);
  Settle();
  Must(client.replicator.FindDownloader(writer.key())->Commit());
  Settle();
  Must(client.replicator.FindDownloader(writer.key())->Commit());
  EXPECT_EQ(client.replica(writer.key()).contiguous_length(), 50U);
  client.replicator.RemoveCore(writer.key());
  for (const auto& late : done) {
    late();
  }
  EXPECT_FALSE(client.replicator.HasCore(writer.key()));
}

}  // namespace
}  // namespace hnx::hyper
