// Two sides that are both ours: what is told, asked and answered.
#include "swarm_fixture.h"

namespace hnx::hyper {
namespace {

class ExchangeTest : public SwarmTest {};

TEST_F(ExchangeTest, AFreshReplicaGetsTheHeadAndEveryBlock) {
  Writer writer;
  writer.Append(100);
  Node& server = Serve(writer);
  Node& client = AddNode();
  client.Mirror(writer.key());
  Connect(client, server);
  Finish();
  EXPECT_EQ(client.replica(writer.key()).head(), writer.head());
  EXPECT_EQ(client.replica(writer.key()).contiguous_length(), 100U);
  EXPECT_EQ(Must(client.replica(writer.key()).Get(BlockIndex(57))), writer.BlockOf(57));
  EXPECT_TRUE(Must(client.replica(writer.key()).Audit()).findings.empty());
  EXPECT_EQ(server.StatisticsOf(writer.key()).traffic.blocks_up, 100U);
}

}  // namespace
}  // namespace hnx::hyper
