// Several peers: how they share the work, and what becomes of it when they die or fall silent.
#include "scripted_peer.h"
#include "swarm_fixture.h"

namespace hnx::hyper {
namespace {

using std::chrono::milliseconds;

class PeersTest : public SwarmTest {};

TEST_F(PeersTest, TwoHoldersEachGiveAThirdAtLeast) {
  Writer writer;
  writer.Append(1000, 1000);
  Node& first = Serve(writer);
  Node& second = Serve(writer);
  Node& client = AddNode();
  client.Mirror(writer.key());
  Connect(client, first);
  Connect(client, second);
  Finish();
  EXPECT_EQ(client.replica(writer.key()).contiguous_length(), 1000U);
  EXPECT_GE(first.StatisticsOf(writer.key()).traffic.blocks_up, 300U);
  EXPECT_GE(second.StatisticsOf(writer.key()).traffic.blocks_up, 300U);
  EXPECT_EQ(client.StatisticsOf(writer.key()).download.blocks_twice, 0U);
}

TEST_F(PeersTest, AHolderThatDiesInABlockCostsNothingThatWasVerified) {
  Writer writer;
  writer.Append(300, 5000);
  Node& first = Serve(writer);
  Node& client = AddNode();
  client.Mirror(writer.key());
  const Connection dying = Connect(client, first);
  MemoryNetwork::CutAfter(*dying.responder, 500'000);
  Finish();
  const std::uint64_t had = client.StatisticsOf(writer.key()).download.blocks_received;
  EXPECT_GT(had, 50U);
  EXPECT_LT(had, 300U);
  ASSERT_EQ(client.events.ended.size(), 1U);
  Node& second = Serve(writer);
  Connect(client, second);
  Finish();
  EXPECT_EQ(client.replica(writer.key()).contiguous_length(), 300U);
  EXPECT_EQ(second.StatisticsOf(writer.key()).traffic.blocks_up, 300U - had);
}

TEST_F(PeersTest, WhatADeadHolderOwedComesFromAnotherAtOnce) {
  Writer writer;
  writer.Append(300, 5000);
  Node& first = Serve(writer);
  Node& second = Serve(writer);
  Node& client = AddNode();
  client.Mirror(writer.key());
  const Connection dying = Connect(client, first);
  Connect(client, second);
  MemoryNetwork::CutAfter(*dying.responder, 300'000);
  Settle();
  client.replicator.RunTimers();
  Must(client.replicator.FindDownloader(writer.key())->Commit());
  EXPECT_EQ(client.replica(writer.key()).contiguous_length(), 300U) << "without any waiting";
}

TEST_F(PeersTest, AHolderThatFallsSilentIsOvertakenWithinTwoSeconds) {
  Writer writer;
  writer.Append(300, 5000);
  Node& first = Serve(writer);
  Node& second = Serve(writer);
  Node& client = AddNode();
  client.Mirror(writer.key());
  const Connection silent = Connect(client, first);
  Connect(client, second);
  while (client.StatisticsOf(writer.key()).download.blocks_received < 20 &&
         network_.DeliverOnce()) {
  }
  MemoryNetwork::Hold(*silent.responder);
  Settle();
  EXPECT_LT(client.StatisticsOf(writer.key()).download.blocks_received, 300U);
  Advance(milliseconds(1900));
  EXPECT_EQ(client.replica(writer.key()).contiguous_length(), 300U);
  EXPECT_EQ(client.StatisticsOf(writer.key()).download.peers_overtaken, 1U);
}

TEST_F(PeersTest, AHolderThatStaysSilentIsDropped) {
  Writer writer;
  writer.Append(300, 5000);
  Node& only = Serve(writer);
  Node& client = AddNode();
  client.Mirror(writer.key());
  const Connection silent = Connect(client, only);
  while (client.StatisticsOf(writer.key()).download.blocks_received < 20 &&
         network_.DeliverOnce()) {
  }
  MemoryNetwork::Hold(*silent.responder);
  Advance(kPeerDroppedAfter - milliseconds(1000));
  EXPECT_EQ(client.events.ended.size(), 0U);
  Advance(milliseconds(2000));
  ASSERT_EQ(client.events.ended.size(), 1U);
  EXPECT_EQ(client.events.ended[0].code, ErrorCode::kDeadlineExceeded);
}

TEST_F(PeersTest, AnAnswerThatComesLateIsNoFault) {
  Writer writer;
  writer.Append(300, 5000);
  Node& first = Serve(writer);
  Node& second = Serve(writer);
  Node& client = AddNode();
  client.Mirror(writer.key());
  const Connection slow = Connect(client, first);
  Connect(client, second);
  while (client.StatisticsOf(writer.key()).download.blocks_received < 20 &&
         network_.DeliverOnce()) {
  }
  MemoryNetwork::Hold(*slow.responder);
  Advance(milliseconds(3000));
  MemoryNetwork::Release(*slow.responder);
  Finish();
  EXPECT_EQ(client.replica(writer.key()).contiguous_length(), 300U);
  EXPECT_TRUE(client.events.liars.empty());
  EXPECT_TRUE(client.events.ended.empty());
}

TEST_F(PeersTest, TwoHundredPeersAtOnceGetEverything) {
  Writer writer;
  writer.Append(60, 2000);
  Node& server = Serve(writer);
  std::vector<Node*> clients;
  for (int i = 0; i < 200; ++i) {
    clients.push_back(&AddNode());
    clients.back()->Mirror(writer.key());
    Connect(*clients.back(), server);
  }
  Finish();
  writer.Append(5, 2000);
  Must(server.replicator.Refresh(writer.key()));
  Finish();
  for (Node* const client : clients) {
    EXPECT_EQ(client->replica(writer.key()).contiguous_length(), 65U);
  }
  EXPECT_EQ(server.StatisticsOf(writer.key()).peers.size(), 200U);
}

TEST_F(PeersTest, AChainOfReplicasPassesEverythingOn) {
  Writer writer;
  writer.Append(50);
  Node* previous = &Serve(writer);
  Node* origin = previous;
  std::vector<Node*> chain;
  for (int i = 0; i < 5; ++i) {
    Node& next = AddNode();
    next.Mirror(writer.key());
    Connect(next, *previous);
    chain.push_back(&next);
    previous = &next;
  }
  Finish();
  writer.Append(10);
  Must(origin->replicator.Refresh(writer.key()));
  for (int i = 0; i < 5; ++i) {
    Finish();
  }
  for (Node* const node : chain) {
    EXPECT_EQ(node->replica(writer.key()).contiguous_length(), 60U);
  }
  EXPECT_EQ(origin->StatisticsOf(writer.key()).traffic.blocks_up, 60U) << "once";
}

}  // namespace
}  // namespace hnx::hyper
