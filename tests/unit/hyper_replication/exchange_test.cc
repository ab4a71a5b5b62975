// Two sides that are both ours: what is told, asked and answered.
#include "scripted_peer.h"
#include "swarm_fixture.h"

namespace hnx::hyper {
namespace {

using std::chrono::milliseconds;

class ExchangeTest : public SwarmTest {
 protected:
  std::unique_ptr<ScriptedPeer> Script(Node& node) {
    MemoryNetwork::Ends ends = network_.Connect(200, node.name);
    connection_ = {ends.initiator.get(), ends.responder.get()};
    auto peer = std::make_unique<ScriptedPeer>(std::move(ends.initiator), clock_);
    Must(node.replicator.AddStream(std::move(ends.responder)));
    return peer;
  }

  Connection connection_;
};

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

TEST_F(ExchangeTest, AReturningReplicaGetsOnlyWhatIsNew) {
  Writer writer;
  writer.Append(50);
  Node& server = Serve(writer);
  Node& client = AddNode();
  client.Mirror(writer.key());
  Connect(client, server);
  Finish();
  client.replicator.RemoveStream(1, Unavailable("the cable was pulled"));
  Finish();
  writer.Append(7);
  Must(server.replicator.Refresh(writer.key()));
  Connect(client, server);
  Finish();
  EXPECT_EQ(client.replica(writer.key()).contiguous_length(), 57U);
  EXPECT_EQ(server.StatisticsOf(writer.key()).traffic.blocks_up, 57U) << "nothing came twice";
}

TEST_F(ExchangeTest, GrowthReachesWhoeverIsConnected) {
  Writer writer;
  writer.Append(3);
  Node& server = Serve(writer);
  Node& client = AddNode();
  client.Mirror(writer.key());
  Connect(client, server);
  Finish();
  for (int i = 0; i < 5; ++i) {
    writer.Append(4);
    Must(server.replicator.Refresh(writer.key()));
    Finish();
    EXPECT_EQ(client.replica(writer.key()).contiguous_length(), writer.head().length);
  }
  EXPECT_EQ(client.events.heads.back(), writer.head());
}

TEST_F(ExchangeTest, GrowthInAFolderIsFoundByLookingAtIt) {
  Writer writer;
  writer.Append(3);
  Node& server = Serve(writer);
  Node& client = AddNode();
  client.Mirror(writer.key());
  Connect(client, server);
  Finish();
  writer.Append(2);
  Advance(kFolderPollInterval + milliseconds(500));
  EXPECT_EQ(client.replica(writer.key()).contiguous_length(), 5U);
}

TEST_F(ExchangeTest, OnlyAnAcceptedHeadIsTold) {
  Writer writer;
  Node& server = AddNode();
  Must(server.replicator.AddReader(writer.Served(HeadRule::kAccepted)));
  Node& client = AddNode();
  client.Mirror(writer.key());
  Connect(client, server);
  writer.Append(5);
  const CoreHead accepted = writer.head();
  writer.Append(5);
  Must(server.replicator.Refresh(writer.key()));
  Finish();
  EXPECT_EQ(client.replica(writer.key()).length(), 0U) << "nothing was accepted";
  EXPECT_EQ(client.StatisticsOf(writer.key()).download.remote_length_max, 0U);
  Must(server.replicator.SetAccepted(writer.key(), accepted));
  Finish();
  EXPECT_EQ(client.replica(writer.key()).head(), accepted);
  EXPECT_EQ(client.replica(writer.key()).contiguous_length(), 5U);
  Must(server.replicator.SetAccepted(writer.key(), writer.head()));
  Finish();
  EXPECT_EQ(client.replica(writer.key()).head(), writer.head());
}

TEST_F(ExchangeTest, AHeadThatTheFilesDoNotHaveIsNeverAccepted) {
  Writer writer;
  Writer other(2);
  writer.Append(3);
  other.Append(3);
  Node& server = AddNode();
  Must(server.replicator.AddReader(writer.Served(HeadRule::kAccepted)));
  const auto foreign = server.replicator.SetAccepted(writer.key(), other.head());
  EXPECT_EQ(foreign.error().code, ErrorCode::kDataLoss);
  CoreHead longer = writer.head();
  longer.length = 4;
  EXPECT_EQ(server.replicator.SetAccepted(writer.key(), longer).error().code,
            ErrorCode::kFailedPrecondition);
  Must(server.replicator.SetAccepted(writer.key(), writer.head()));
  CoreHead shorter = writer.head();
  shorter.length = 2;
  EXPECT_EQ(server.replicator.SetAccepted(writer.key(), shorter).error().code,
            ErrorCode::kFailedPrecondition);
}

TEST_F(ExchangeTest, CoresThatAreNotHereAreRejectedAndTheStreamLives) {
  Writer writer;
  Writer unknown(2);
  writer.Append(3);
  Node& server = Serve(writer);
  Node& client = AddNode();
  client.Mirror(unknown.key());
  client.Mirror(writer.key());
  Connect(client, server);
  Finish();
  EXPECT_EQ(client.replica(writer.key()).contiguous_length(), 3U);
  EXPECT_EQ(client.replica(unknown.key()).length(), 0U);
  EXPECT_EQ(client.StatisticsOf(unknown.key()).peers.size(), 0U);
}

TEST_F(ExchangeTest, ACoreThatComesLaterReachesWhoAskedForItBefore) {
  Writer writer;
  writer.Append(3);
  Node& server = AddNode();
  Node& client = AddNode();
  client.Mirror(writer.key());
  Connect(client, server);
  Finish();
  ASSERT_EQ(client.replica(writer.key()).length(), 0U);
  Must(server.replicator.AddReader(writer.Served()));
  Finish();
  EXPECT_EQ(client.replica(writer.key()).contiguous_length(), 3U);
}

TEST_F(ExchangeTest, AReplicaThatComesLaterReachesWhoAskedForItBefore) {
  Writer writer;
  writer.Append(3);
  Node& origin = Serve(writer);
  Node& between = AddNode();
  Node& client = AddNode();
  client.Mirror(writer.key());
  Connect(client, between);
  Connect(between, origin);
  Finish();
  ASSERT_EQ(client.replica(writer.key()).length(), 0U);
  between.Mirror(writer.key());
  Finish();
  EXPECT_EQ(client.replica(writer.key()).contiguous_length(), 3U);
}

TEST_F(ExchangeTest, AFinderMayBringTheCoreThatAPeerAsksFor) {
  Writer writer;
  writer.Append(3);
  Node& server = AddNode();
  int asked = 0;
  server.replicator.SetFinder([&](const DiscoveryKey& key) {
    ++asked;
    if (key == DiscoveryKeyOf(writer.key())) {
      Must(server.replicator.AddReader(writer.Served()));
    }
  });
  Node& client = AddNode();
  client.Mirror(writer.key());
  Connect(client, server);
  Finish();
  EXPECT_EQ(client.replica(writer.key()).contiguous_length(), 3U);
  EXPECT_EQ(asked, 1);
}

TEST_F(ExchangeTest, ABlockComesAloneToWhoeverFetchesIt) {
  Writer writer;
  writer.Append(100);
  Node& server = Serve(writer);
  Node& client = AddNode();
  Downloader& downloader = client.Follow(writer.key());
  std::optional<Bytes> block;
  Must(downloader.Fetch(BlockIndex(61), 1, [&](Result<Bytes> bytes) { block = Must(bytes); }));
  Connect(client, server);
  Settle();
  EXPECT_EQ(block, writer.BlockOf(61));
  Finish();
  EXPECT_EQ(server.StatisticsOf(writer.key()).traffic.blocks_up, 1U);
  block.reset();
  Must(downloader.Fetch(BlockIndex(61), 1, [&](Result<Bytes> bytes) { block = Must(bytes); }));
  EXPECT_EQ(block, writer.BlockOf(61)) << "what is here comes at once";
}

TEST_F(ExchangeTest, ABlockBeyondTheHeadWaitsForTheHeadThatHasIt) {
  Writer writer;
  writer.Append(10);
  Node& server = Serve(writer);
  Node& client = AddNode();
  Downloader& downloader = client.Follow(writer.key());
  Connect(client, server);
  Finish();
  std::optional<Bytes> block;
  Must(downloader.Fetch(BlockIndex(12), 1, [&](Result<Bytes> bytes) { block = Must(bytes); }));
  Finish();
  EXPECT_FALSE(block);
  writer.Append(5);
  Must(server.replicator.Refresh(writer.key()));
  Finish();
  EXPECT_EQ(block, writer.BlockOf(12));
}

TEST_F(ExchangeTest, AFetchThatIsCancelledIsNeverCalledBack) {
  Writer writer;
  writer.Append(10);
  Node& client = AddNode();
  Downloader& downloader = client.Follow(writer.key());
  bool called = false;
  const FetchId id =
      Must(downloader.Fetch(BlockIndex(3), 1, [&](const Result<Bytes>&) { called = true; }));
  downloader.CancelFetch(id);
  Connect(client, Serve(writer));
  Finish();
  EXPECT_FALSE(called);
  EXPECT_EQ(client.replica(writer.key()).length(), 10U);
}

TEST_F(ExchangeTest, ASelectionTellsWhenItIsComplete) {
  Writer writer;
  writer.Append(100);
  Node& client = AddNode();
  Downloader& downloader = client.Follow(writer.key());
  int complete = 0;
  Selection selection;
  selection.blocks = {BlockIndex(20), BlockIndex(30)};
  selection.on_complete = [&] { ++complete; };
  Must(downloader.Select(selection));
  Node& server = Serve(writer);
  Connect(client, server);
  Finish();
  EXPECT_EQ(complete, 1);
  EXPECT_EQ(server.StatisticsOf(writer.key()).traffic.blocks_up, 10U);
  EXPECT_FALSE(Must(client.replica(writer.key()).Has(BlockIndex(30))));
  Must(downloader.Select(selection));
  EXPECT_EQ(complete, 2) << "it is all here";
}

TEST_F(ExchangeTest, ASparseReplicaServesWhatItHasAndTellsWhat) {
  Writer writer;
  writer.Append(500);
  Node& server = Serve(writer);
  Node& middle = AddNode();
  Downloader& downloader = middle.Follow(writer.key());
  for (const auto& [begin, end] : {std::pair{10, 20}, std::pair{333, 350}, std::pair{400, 401}}) {
    Selection selection;
    selection.blocks = {BlockIndex(static_cast<std::uint64_t>(begin)),
                        BlockIndex(static_cast<std::uint64_t>(end))};
    Must(downloader.Select(selection));
  }
  Connect(middle, server);
  Finish();
  server.replicator.RemoveStream(1, Unavailable("the origin is gone"));
  Finish();
  Node& client = AddNode();
  client.Mirror(writer.key());
  Connect(client, middle);
  Finish();
  EXPECT_EQ(client.replica(writer.key()).head(), writer.head());
  for (const std::uint64_t block : {10U, 19U, 333U, 349U, 400U}) {
    EXPECT_TRUE(Must(client.replica(writer.key()).Has(BlockIndex(block)))) << block;
  }
  EXPECT_EQ(middle.StatisticsOf(writer.key()).traffic.blocks_up, 28U);
  EXPECT_EQ(middle.StatisticsOf(writer.key()).traffic.refused, 0U) << "asked for nothing else";
  Connect(middle, server);
  Selection rest;
  rest.blocks = {BlockIndex(0), BlockIndex(500)};
  Must(downloader.Select(rest));
  Finish();
  EXPECT_EQ(client.replica(writer.key()).contiguous_length(), 500U) << "what came later, too";
}

TEST_F(ExchangeTest, WhatWasClearedIsToldAndNotAskedFor) {
  Writer writer;
  writer.Append(100);
  Node& server = Serve(writer);
  Node& client = AddNode();
  client.Follow(writer.key());
  Connect(client, server);
  Finish();
  Must(writer.core().Clear({BlockIndex(40), BlockIndex(60)}));
  Must(server.replicator.Refresh(writer.key()));
  Finish();
  Selection everything;
  everything.to_head = true;
  Must(client.replicator.FindDownloader(writer.key())->Select(everything));
  Finish();
  EXPECT_TRUE(Must(client.replica(writer.key()).HasAll({BlockIndex(60), BlockIndex(100)})));
  EXPECT_FALSE(Must(client.replica(writer.key()).Has(BlockIndex(50))));
  EXPECT_EQ(server.StatisticsOf(writer.key()).traffic.refused, 0U);
}

TEST_F(ExchangeTest, WhoeverWantsNothingHasItsChannelClosed) {
  Writer writer;
  writer.Append(3);
  Node& server = Serve(writer);
  const auto peer = Script(server);
  peer->Open(writer.key());
  Settle();
  ASSERT_TRUE(peer->open());
  peer->Sync(0, true);
  Settle();
  EXPECT_TRUE(peer->open());
  peer->Sync(0, false);
  Settle();
  EXPECT_FALSE(peer->open());
  EXPECT_TRUE(peer->connected());
  peer->Open(writer.key());
  Settle();
  EXPECT_TRUE(peer->open()) << "it may come back";
}

TEST_F(ExchangeTest, EveryLengthIsAcknowledged) {
  Writer writer;
  writer.Append(9);
  Node& server = Serve(writer);
  const auto peer = Script(server);
  peer->Open(writer.key());
  for (const std::uint64_t length : {0U, 4U, 9U}) {
    peer->Sync(length);
    Settle();
    const auto syncs = peer->Heard(CoreMessageType::kSync, DecodeSync);
    EXPECT_EQ(syncs.back().remote_length, length);
    EXPECT_EQ(syncs.back().length, 9U);
    EXPECT_EQ(syncs.back().can_upgrade, length < 9);
    EXPECT_FALSE(syncs.back().downloading) << "a pure seeder wants nothing";
  }
}

TEST_F(ExchangeTest, RequestsWithAPriorityAreAnsweredFirstAndCancelledOnesNotAtAll) {
  Writer writer;
  writer.Append(40, 100'000);
  Node& server = Serve(writer);
  const auto peer = Script(server);
  peer->Open(writer.key());
  Settle();
  peer->Sync(0);
  Settle();
  MemoryStream& answers = *connection_.responder;
  MemoryNetwork::Hold(answers);
  for (std::uint64_t id = 1; id <= 30; ++id) {
    peer->RequestBlock(id, id, id == 30 ? 1 : 0);
  }
  peer->Send(CoreMessageType::kCancel, CancelMessage{29});
  Settle();
  MemoryNetwork::Release(answers);
  Settle();
  std::vector<std::uint64_t> answered;
  for (const auto& [type, payload] : peer->messages) {
    if (type == static_cast<std::uint64_t>(CoreMessageType::kData)) {
      answered.push_back(Must(DecodeData(payload)).request);
    }
  }
  EXPECT_EQ(answered.size(), 29U);
  EXPECT_EQ(std::count(answered.begin(), answered.end(), 29U), 0);
  const auto urgent = std::find(answered.begin(), answered.end(), 30U) - answered.begin();
  EXPECT_LT(urgent, 20) << "as soon as the stream took more";
}

TEST_F(ExchangeTest, AReaderThatDoesNotReadCostsOneWindow) {
  Writer writer;
  writer.Append(200, 60'000);
  Node& server = Serve(writer);
  Node& client = AddNode();
  client.Mirror(writer.key());
  const Connection connection = Connect(client, server);
  while (network_.DeliverOnce() && client.replica(writer.key()).length() == 0) {
  }
  MemoryNetwork::Hold(*connection.responder);
  Settle();
  EXPECT_LT(connection.responder->queued_bytes(), MemoryStream::kHighBytes + 70'000);
  MemoryNetwork::Release(*connection.responder);
  Finish();
  EXPECT_EQ(client.replica(writer.key()).contiguous_length(), 200U);
}

TEST_F(ExchangeTest, ManyCoresShareOneStream) {
  std::vector<std::unique_ptr<Writer>> writers;
  Node& server = AddNode();
  Node& client = AddNode();
  for (std::uint8_t i = 1; i <= 40; ++i) {
    writers.push_back(std::make_unique<Writer>(i));
    writers.back()->Append(i);
    Must(server.replicator.AddReader(writers.back()->Served()));
    client.Mirror(writers.back()->key());
  }
  Connect(client, server);
  Finish();
  for (const auto& writer : writers) {
    EXPECT_EQ(client.replica(writer->key()).head(), writer->head());
    EXPECT_EQ(client.replica(writer->key()).contiguous_length(), writer->head().length);
  }
}

TEST_F(ExchangeTest, ARemovedCoreIsNotServedAnyMore) {
  Writer writer;
  writer.Append(3);
  Node& server = Serve(writer);
  const auto peer = Script(server);
  peer->Open(writer.key());
  Settle();
  ASSERT_TRUE(peer->open());
  server.replicator.RemoveCore(writer.key());
  Settle();
  EXPECT_FALSE(peer->open());
  peer->Open(writer.key());
  Settle();
  EXPECT_FALSE(peer->open());
  EXPECT_TRUE(peer->connected());
}

}  // namespace
}  // namespace hnx::hyper
