// Peers that lie, flood, or ask what nobody asks: each costs itself its stream, and nobody else
// anything.
#include <cstdlib>
#include <filesystem>

#include "hyper/storage/frozen_mark.h"
#include "scripted_peer.h"
#include "swarm_fixture.h"

namespace hnx::hyper {
namespace {

using std::chrono::milliseconds;

class HostileTest : public SwarmTest {
 protected:
  // Connects to a node that serves a core.
  std::unique_ptr<ScriptedPeer> Script(Node& node, std::uint8_t name = 200) {
    MemoryNetwork::Ends ends = network_.Connect(name, node.name);
    connection_ = {ends.initiator.get(), ends.responder.get()};
    auto peer = std::make_unique<ScriptedPeer>(std::move(ends.initiator), clock_);
    Must(node.replicator.AddStream(std::move(ends.responder)));
    return peer;
  }
  std::unique_ptr<ScriptedPeer> Opened(Node& node, const CoreKey& key) {
    auto peer = Script(node);
    peer->Open(key);
    Settle();
    peer->Sync(0);
    Settle();
    return peer;
  }
  // Answers as an honest server of the writer's core would, then lets `lie` spoil it.
  void Lie(ScriptedPeer& peer, const Writer& writer, std::function<void(DataMessage&)> lie) {
    reader_ = writer.Served();
    peer.Accept(writer.key());
    peer.on_open = [&peer, this] {
      peer.Sync(reader_->head().length);
      peer.Send(CoreMessageType::kRange, RangeMessage{false, 0, reader_->head().length});
    };
    peer.on_request = [&peer, this, lie = std::move(lie)](const RequestMessage& request) {
      DataMessage data;
      data.request = request.id;
      data.proof = Must(reader_->Prove(request.proof));
      if (data.proof.block) {
        Bytes value(static_cast<std::size_t>(data.proof.block->bytes.length()));
        Must(reader_->ReadBlock(*data.proof.block, value));
        data.proof.block->value = BlockValue(std::move(value));
      }
      lie(data);
      peer.Send(CoreMessageType::kData, data);
    };
  }
  // Time passes for acknowledgements: a scripted peer repeats its sync when ours changed.
  void ResyncUntilQuiet(ScriptedPeer& peer) {
    for (int i = 0; i < 4; ++i) {
      Settle();
      if (peer.open()) {
        peer.Sync(reader_->head().length);
      }
    }
    Finish();
  }

  Connection connection_;
  std::unique_ptr<ReaderCore> reader_;
};

TEST_F(HostileTest, WhoeverDoesNotKnowTheKeyLearnsNothing) {
  Writer writer;
  writer.Append(3);
  Node& server = Serve(writer);
  const auto peer = Script(server);
  peer->Open(writer.key(), false);
  Settle();
  EXPECT_FALSE(peer->connected());
  EXPECT_TRUE(peer->messages.empty());
  ASSERT_EQ(server.events.ended.size(), 1U);
  EXPECT_EQ(server.events.ended[0].code, ErrorCode::kUnauthenticated);
}

TEST_F(HostileTest, AWrongBlockCostsTheLiarItsStreamAndComesFromAnother) {
  Writer writer;
  writer.Append(50);
  Node& client = AddNode();
  client.Mirror(writer.key());
  const auto liar = Script(client);
  Lie(*liar, writer, [](DataMessage& data) {
    if (data.proof.block && data.proof.block->index == BlockIndex(7)) {
      Bytes value = ToBytes(data.proof.block->value.view());
      value[3] ^= std::byte{1};
      data.proof.block->value = BlockValue(std::move(value));
    }
  });
  ResyncUntilQuiet(*liar);
  EXPECT_FALSE(liar->connected());
  ASSERT_EQ(client.events.liars.size(), 1U);
  EXPECT_EQ(client.events.liars[0].second.fault, ProofFault::kMismatch);
  EXPECT_FALSE(Must(client.replica(writer.key()).Has(BlockIndex(7))));
  Connect(client, Serve(writer));
  Finish();
  EXPECT_EQ(client.replica(writer.key()).contiguous_length(), 50U);
  EXPECT_EQ(Must(client.replica(writer.key()).Get(BlockIndex(7))), writer.BlockOf(7));
}

TEST_F(HostileTest, EveryFieldOfAnAnswerThatIsBentIsRefused) {
  Writer writer;
  writer.Append(20);
  using Bend = std::function<void(DataMessage&)>;
  const std::vector<std::pair<const char*, Bend>> bends = {
      {"another block", [](DataMessage& d) { ++d.proof.block->index; }},
      {"a shorter value",
       [](DataMessage& d) {
         Bytes value = ToBytes(d.proof.block->value.view());
         value.pop_back();
         d.proof.block->value = BlockValue(std::move(value));
       }},
      {"a node's size", [](DataMessage& d) { ++d.proof.block->nodes.at(0).size; }},
      {"a node's hash",
       [](DataMessage& d) { d.proof.block->nodes.at(0).hash.bytes[0] ^= std::byte{1}; }},
      {"a node's place", [](DataMessage& d) { d.proof.block->nodes.at(0).index += 2; }},
      {"a node too many",
       [](DataMessage& d) { d.proof.block->nodes.push_back(d.proof.block->nodes[0]); }},
      {"no nodes", [](DataMessage& d) { d.proof.block->nodes.clear(); }},
  };
  for (const auto& [what, bend] : bends) {
    Node& client = AddNode();
    Downloader& downloader = client.Follow(writer.key());
    const auto liar = Script(client);
    Lie(*liar, writer, [&bend = bend](DataMessage& data) {
      if (data.proof.block) {
        bend(data);
      }
    });
    ResyncUntilQuiet(*liar);
    ASSERT_EQ(client.replica(writer.key()).length(), 20U) << what;
    // Shared: the fetch ends with its node, after this block.
    const auto came = std::make_shared<bool>(false);
    Must(downloader.Fetch(BlockIndex(5), 1,
                          [came](const Result<Bytes>& bytes) { *came = bytes.has_value(); }));
    ResyncUntilQuiet(*liar);
    EXPECT_FALSE(*came) << what;
    EXPECT_FALSE(liar->connected()) << what;
    EXPECT_EQ(client.events.liars.size(), 1U) << what;
  }
}

TEST_F(HostileTest, AForgedUpgradeIsRefusedAndLeavesTheCoreEmpty) {
  Writer writer;
  writer.Append(20);
  Node& client = AddNode();
  client.Mirror(writer.key());
  const auto liar = Script(client);
  Lie(*liar, writer, [](DataMessage& data) {
    if (data.proof.upgrade) {
      data.proof.upgrade->signature.at(10) ^= std::byte{1};
    }
  });
  ResyncUntilQuiet(*liar);
  EXPECT_FALSE(liar->connected());
  EXPECT_EQ(client.replica(writer.key()).length(), 0U);
  ASSERT_EQ(client.events.liars.size(), 1U);
}

TEST_F(HostileTest, AForeignManifestIsRefused) {
  Writer writer;
  Writer other(2);
  writer.Append(5);
  Node& client = AddNode();
  client.Mirror(writer.key());
  const auto liar = Script(client);
  Lie(*liar, writer,
      [&other](DataMessage& data) { data.proof.manifest = *other.core().manifest(); });
  ResyncUntilQuiet(*liar);
  EXPECT_FALSE(liar->connected());
  ASSERT_EQ(client.events.liars.size(), 1U);
  EXPECT_EQ(client.events.liars[0].second.fault, ProofFault::kManifest);
}

TEST_F(HostileTest, ALengthThatNobodyCanProveDelaysNobodyForLong) {
  Writer writer;
  writer.Append(30);
  Node& client = AddNode();
  client.Mirror(writer.key());
  const auto boaster = Script(client);
  boaster->Accept(writer.key());
  boaster->on_open = [&] {
    boaster->Sync(std::uint64_t{1} << 40);
    boaster->Send(CoreMessageType::kRange, RangeMessage{false, 0, std::uint64_t{1} << 40});
  };
  Settle();
  Connect(client, Serve(writer));
  Settle();
  Advance(milliseconds(2500));
  EXPECT_EQ(client.replica(writer.key()).contiguous_length(), 30U);
  EXPECT_EQ(client.StatisticsOf(writer.key()).download.remote_length_max, std::uint64_t{1} << 40);
}

TEST_F(HostileTest, BlocksThatAreNotThereAfterAllAreAskedForOnceOnly) {
  Writer writer;
  writer.Append(30);
  Node& client = AddNode();
  client.Mirror(writer.key());
  const auto empty = Script(client);
  Lie(*empty, writer, [](DataMessage&) {});
  const auto honest = empty->on_request;
  std::size_t asked = 0;
  empty->on_request = [&](const RequestMessage& request) {
    if (request.proof.upgrade && !request.proof.block) {
      honest(request);
      return;
    }
    ++asked;
    empty->Send(CoreMessageType::kNoData, NoDataMessage{request.id, NoDataReason::kNotAvailable});
  };
  ResyncUntilQuiet(*empty);
  EXPECT_EQ(asked, 30U);
  Advance(milliseconds(5000));
  EXPECT_EQ(asked, 30U);
  EXPECT_TRUE(empty->connected());
  Connect(client, Serve(writer));
  Finish();
  EXPECT_EQ(client.replica(writer.key()).contiguous_length(), 30U);
}

TEST_F(HostileTest, TwoTreesUnderOneSignatureFreezeTheCore) {
  Writer writer(7);
  Writer twin(7);
  ASSERT_EQ(writer.key(), twin.key());
  writer.Append(10);
  twin.Append(10, 120);
  twin.Append(10);
  Node& client = AddNode();
  client.Mirror(writer.key());
  Connect(client, Serve(writer));
  Finish();
  ASSERT_EQ(client.replica(writer.key()).contiguous_length(), 10U);
  Connect(client, Serve(twin));
  Finish();
  ASSERT_EQ(client.events.conflicts.size(), 1U);
  EXPECT_EQ(client.replica(writer.key()).head(), writer.head()) << "nothing of the other is stored";
  const CoreStatistics statistics = client.StatisticsOf(writer.key());
  EXPECT_TRUE(statistics.frozen);
  EXPECT_TRUE(statistics.peers.empty());
  EXPECT_TRUE(client.events.liars.empty()) << "the peers did not lie, the owner did";
  const auto late = Script(client);
  late->Open(writer.key());
  Settle();
  EXPECT_FALSE(late->open()) << "never served again";
  EXPECT_FALSE(client.replicator.FindDownloader(writer.key())
                   ->Fetch(BlockIndex(50), 1, [](const Result<Bytes>&) {})
                   .has_value());
}

TEST_F(HostileTest, AWriterIsToldThatItsKeySignedASecondTreeAndServesItNoMore) {
  Writer writer(7);
  Writer twin(7);
  writer.Append(10);
  twin.Append(12, 120);
  Node& server = Serve(writer);
  const auto peer = Opened(server, writer.key());
  peer->Sync(12);
  const auto twin_reader = twin.Served();
  DataMessage claim;
  claim.proof = Must(twin_reader->Prove(ConflictProbe(twin.head(), 10)));
  const DataMessage proof = claim;
  claim.proof.upgrade->signature.at(10) ^= std::byte{1};
  peer->Send(CoreMessageType::kData, claim);
  Settle();
  EXPECT_TRUE(server.events.conflicts.empty()) << "a claim that nobody signed";
  EXPECT_TRUE(peer->open());
  peer->Send(CoreMessageType::kData, proof);
  Settle();
  ASSERT_EQ(server.events.conflicts.size(), 1U);
  EXPECT_FALSE(peer->open());
  EXPECT_TRUE(server.StatisticsOf(writer.key()).frozen);
  peer->Open(writer.key());
  Settle();
  EXPECT_FALSE(peer->open()) << "never served again";
}

TEST_F(HostileTest, AFrozenCoreStaysFrozenAfterARestart) {
  std::string name = (std::filesystem::temp_directory_path() / "hnx-frozen-XXXXXX").string();
  ASSERT_NE(::mkdtemp(name.data()), nullptr);
  const std::filesystem::path folder(name);
  Writer writer(7);
  Writer twin(7);
  writer.Append(10);
  twin.Append(10, 120);
  twin.Append(10);
  const auto follow = [&folder, &writer](Node& node) {
    return node.replicator.AddReplica(
        Must(ReplicaCore::Create(std::make_unique<MemoryCoreStorage>(), writer.key())), folder);
  };
  Node& client = AddNode();
  Must(follow(client))->SetFollow(true);
  Connect(client, Serve(writer));
  Finish();
  ASSERT_FALSE(IsMarkedFrozen(folder));
  Connect(client, Serve(twin));
  Finish();
  ASSERT_EQ(client.events.conflicts.size(), 1U);
  EXPECT_TRUE(IsMarkedFrozen(folder));

  Node& restarted = AddNode();
  const auto refused = follow(restarted);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kDataLoss);
  Must(restarted.replicator.AddFolder(writer.key(), folder, HeadRule::kNewest));
  EXPECT_TRUE(restarted.StatisticsOf(writer.key()).frozen);
  EXPECT_EQ(restarted.replicator.FindCore(DiscoveryKeyOf(writer.key())), nullptr);
  std::filesystem::remove_all(folder);
}

TEST_F(HostileTest, AHigherForkIsReportedAndNotFollowed) {
  Writer writer;
  writer.Append(10);
  Node& client = AddNode();
  client.Mirror(writer.key());
  Connect(client, Serve(writer));
  Finish();
  const auto forked = Script(client);
  forked->Accept(writer.key());
  forked->on_open = [&] { forked->Sync(20, true, 3); };
  Finish();
  ASSERT_EQ(client.events.forks.size(), 1U);
  EXPECT_EQ(client.events.forks[0].fork, 3U);
  EXPECT_EQ(client.replica(writer.key()).head(), writer.head());
  EXPECT_TRUE(forked->Heard(CoreMessageType::kRequest, DecodeRequest).empty());
}

TEST_F(HostileTest, MoreRequestsThanAnyoneHasInFlightEndTheStream) {
  Writer writer;
  writer.Append(50, 60'000);
  Node& server = Serve(writer);
  const auto peer = Opened(server, writer.key());
  MemoryNetwork::Hold(*connection_.responder);
  for (std::uint64_t id = 1; id <= kPendingRequestsMax; ++id) {
    peer->RequestBlock(id, id % 50);
  }
  Settle();
  EXPECT_TRUE(peer->connected());
  for (std::uint64_t id = 1; id <= 100; ++id) {
    peer->RequestBlock(kPendingRequestsMax + id, id % 50);
  }
  Settle();
  EXPECT_FALSE(peer->connected());
  ASSERT_EQ(server.events.ended.size(), 1U);
  EXPECT_EQ(server.events.ended[0].code, ErrorCode::kResourceExhausted);
}

TEST_F(HostileTest, RequestsUnderOneNumberReplaceEachOther) {
  Writer writer;
  writer.Append(50, 60'000);
  Node& server = Serve(writer);
  const auto peer = Opened(server, writer.key());
  MemoryNetwork::Hold(*connection_.responder);
  for (std::uint64_t i = 0; i < 3 * kPendingRequestsMax; ++i) {
    peer->RequestBlock(1 + i % 40, i % 50);
  }
  Settle();
  EXPECT_TRUE(peer->connected());
}

TEST_F(HostileTest, RequestsThatMakeNoSenseEndTheStreamAfterAWhile) {
  Writer writer;
  writer.Append(50);
  Node& server = Serve(writer);
  const auto peer = Opened(server, writer.key());
  RequestMessage nonsense;
  nonsense.proof.upgrade = UpgradeRequest{10, 0};
  for (std::size_t i = 1; i < kInvalidRequestsMax; ++i) {
    nonsense.id = i;
    peer->Send(CoreMessageType::kRequest, nonsense);
  }
  Settle();
  EXPECT_TRUE(peer->connected());
  const auto refusals = peer->Heard(CoreMessageType::kNoData, DecodeNoData);
  ASSERT_EQ(refusals.size(), kInvalidRequestsMax - 1);
  EXPECT_EQ(refusals[0].reason, NoDataReason::kInvalidRequest);
  peer->Send(CoreMessageType::kRequest, nonsense);
  Settle();
  EXPECT_FALSE(peer->connected());
}

TEST_F(HostileTest, BlocksThatAreNotHereAndOtherForksGetNoData) {
  Writer writer;
  writer.Append(5);
  Node& server = Serve(writer);
  const auto peer = Opened(server, writer.key());
  peer->RequestBlock(1, 5);
  peer->RequestBlock(2, std::uint64_t{1} << 47);
  RequestMessage other_fork;
  other_fork.id = 3;
  other_fork.proof.fork = 9;
  other_fork.proof.upgrade = UpgradeRequest{0, 5};
  peer->Send(CoreMessageType::kRequest, other_fork);
  Settle();
  const auto refusals = peer->Heard(CoreMessageType::kNoData, DecodeNoData);
  ASSERT_EQ(refusals.size(), 3U);
  EXPECT_TRUE(peer->Heard<DataMessage>(CoreMessageType::kData, DecodeData).empty());
  EXPECT_TRUE(peer->connected());
}

TEST_F(HostileTest, WantsBeyondTheLimitAreIgnoredAndTooManyEndTheStream) {
  Writer writer;
  writer.Append(100);
  Must(writer.core().Clear({BlockIndex(3), BlockIndex(4)}));
  Node& server = Serve(writer);
  const auto peer = Opened(server, writer.key());
  peer->Send(CoreMessageType::kWant, WantMessage{0, kWireWantBitsMax + 1, false});
  Settle();
  EXPECT_TRUE(peer->Heard(CoreMessageType::kBitfield, DecodeBitfield).empty());
  peer->Send(CoreMessageType::kWant, WantMessage{0, kWireWantBitsMax, false});
  Settle();
  const auto bitfields = peer->Heard(CoreMessageType::kBitfield, DecodeBitfield);
  ASSERT_EQ(bitfields.size(), 1U);
  EXPECT_EQ(bitfields[0].words, (std::vector<std::uint32_t>{0xffff'fff7, ~0U, ~0U, 0xf}));
  MemoryNetwork::Hold(*connection_.responder);
  for (int i = 0; i < 20; ++i) {  // fills the stream, so that wants wait
    peer->RequestBlock(static_cast<std::uint64_t>(i) + 1, 1);
  }
  for (std::size_t i = 0; i < 200'000 && peer->connected(); ++i) {
    peer->Send(CoreMessageType::kWant, WantMessage{0, 64, false});
    if (i % 1000 == 0) {
      Settle();
    }
  }
  Settle();
  EXPECT_FALSE(peer->connected());
}

TEST_F(HostileTest, ASeekCostsNoMoreThanAnyRequest) {
  Writer writer;
  writer.Append(5000, 30);
  Node& server = Serve(writer);
  const auto peer = Opened(server, writer.key());
  for (std::uint64_t i = 1; i <= 50; ++i) {
    RequestMessage seek;
    seek.id = i;
    seek.proof.seek = SeekRequest{i * 2500, 0};
    seek.proof.upgrade = UpgradeRequest{0, 5000};
    peer->Send(CoreMessageType::kRequest, seek);
  }
  Settle();
  const auto answers = peer->Heard<DataMessage>(CoreMessageType::kData, DecodeData);
  ASSERT_EQ(answers.size(), 50U);
  for (const DataMessage& answer : answers) {
    ASSERT_TRUE(answer.proof.seek);
    EXPECT_LE(answer.proof.seek->nodes.size(), 14U);
  }
}

TEST_F(HostileTest, BytesThatAreNoMessageEndTheStream) {
  Writer writer;
  writer.Append(5);
  for (const std::uint64_t type : {0U, 1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U}) {
    Node& server = Serve(writer);
    const auto peer = Opened(server, writer.key());
    const Bytes rubbish(1, std::byte{0xff});
    peer->SendRaw(type, rubbish);
    Settle();
    EXPECT_FALSE(peer->connected()) << "type " << type;
  }
  Node& server = Serve(writer);
  const auto peer = Opened(server, writer.key());
  peer->SendRaw(10, {});
  peer->SendRaw(9, Bytes(3, std::byte{0xff}));
  Settle();
  EXPECT_TRUE(peer->connected()) << "unknown types and extensions are ignored";
}

TEST_F(HostileTest, DataThatNobodyAskedForIsIgnored) {
  Writer writer;
  writer.Append(5);
  Node& client = AddNode();
  client.Follow(writer.key());
  const auto pusher = Script(client);
  pusher->Accept(writer.key());
  Settle();
  DataMessage pushed;
  pushed.request = 77;
  pushed.proof.block.emplace();
  pushed.proof.block->value = BlockValue(ToBytes("nothing that was asked for"));
  pusher->Send(CoreMessageType::kData, pushed);
  Settle();
  EXPECT_TRUE(pusher->connected());
  EXPECT_EQ(client.StatisticsOf(writer.key()).download.blocks_received, 0U);
}

TEST_F(HostileTest, StreamsBeyondTheLimitAreClosedAtOnce) {
  Node node(clock_, 9);
  Replicator small(clock_, nullptr, 2);
  std::vector<std::unique_ptr<MemoryStream>> ends;
  for (int i = 0; i < 3; ++i) {
    MemoryNetwork::Ends pair = network_.Connect(1, 2);
    ends.push_back(std::move(pair.initiator));
    const auto added = small.AddStream(std::move(pair.responder));
    EXPECT_EQ(added.has_value(), i < 2);
  }
  EXPECT_EQ(small.stream_count(), 2U);
}

TEST_F(HostileTest, CoresBeyondTheLimitOfAStreamAreNotOpened) {
  Node& server = AddNode();
  Node& client = AddNode();
  for (std::size_t i = 0; i <= kCoresPerStreamMax; ++i) {
    CoreKey key;
    StoreLe32(static_cast<std::uint32_t>(i), std::span(key.bytes).first<4>());
    client.Follow(key);
  }
  MemoryNetwork::Ends ends = network_.Connect(client.name, server.name);
  Must(server.replicator.AddStream(std::move(ends.responder)));
  Must(client.replicator.AddStream(std::move(ends.initiator)));
  Settle();
  EXPECT_EQ(client.replicator.stream_count(), 1U) << "one core too many, and the stream lives";
}

}  // namespace
}  // namespace hnx::hyper
