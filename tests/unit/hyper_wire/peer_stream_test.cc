#include "hyper/transport/peer_stream.h"

#include "transport_fixture.h"

namespace hnx::hyper {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class PeerStreamTest : public TransportTest {
 protected:
  using TransportTest::TransportTest;

  // What the loop's thread holds goes after the loop.
  ~PeerStreamTest() override { loop.Stop(); }

  void Dial() {
    OnLoop([&] {
      connector = std::make_unique<TcpConnector>(
          transport, address(), seconds(10), [&](Result<std::unique_ptr<PeerStream>> stream) {
            ASSERT_TRUE(stream.has_value()) << stream.error().message;
            dialler.Take(*std::move(stream));
          });
    });
    ASSERT_TRUE(dialler.AwaitReady());
    ASSERT_TRUE(peer.AwaitReady());
  }

  Peer dialler;
  std::unique_ptr<TcpConnector> connector;
};

TEST_F(PeerStreamTest, BothEndsKnowEachOther) {
  Dial();
  OnLoop([&] {
    EXPECT_TRUE(dialler.stream->is_initiator());
    EXPECT_FALSE(peer.stream->is_initiator());
    EXPECT_EQ(dialler.stream->handshake_hash(), peer.stream->handshake_hash());
    EXPECT_EQ(dialler.stream->remote_public_key(), transport.public_key());
    EXPECT_EQ(dialler.stream->remote_name(), address());
  });
  EXPECT_EQ(transport.statistics().connections, 2U);
  EXPECT_EQ(transport.statistics().connections_opened, 2U);
}

TEST_F(PeerStreamTest, MessagesOfEverySizeComeBackAsTheyWereSent) {
  Dial();
  OnLoop([&] { peer.on_message = [&](ByteView message) { peer.stream->SendMessage(message); }; });
  std::size_t sent = 0;
  for (const std::size_t size : {std::size_t{1}, std::size_t{65'535}, std::size_t{65'536},
                                 std::size_t{1'000'000}, kMessageSizeMax}) {
    const Bytes message = Filled(size);
    OnLoop([&] { dialler.stream->SendMessage(message); });
    ASSERT_TRUE(dialler.AwaitMessages(++sent)) << size;
    EXPECT_TRUE(dialler.last == message) << size;
  }
}

TEST_F(PeerStreamTest, ManySmallMessagesAreWrittenTogetherAndComeInOrder) {
  Dial();
  std::uint32_t expected = 0;
  bool in_order = true;
  OnLoop([&] {
    peer.on_message = [&](ByteView message) {
      in_order = in_order && LoadLe32(message) == expected++;
    };
    for (std::uint32_t i = 0; i < 10'000; ++i) {
      StoreLe32(i, dialler.stream->BeginMessage(4).first<4>());
      dialler.stream->CommitMessage();
    }
  });
  ASSERT_TRUE(peer.AwaitMessages(10'000));
  OnLoop([&] { EXPECT_TRUE(in_order); });
}

TEST_F(PeerStreamTest, AnAbandonedMessageIsNotSent) {
  Dial();
  OnLoop([&] {
    (void)dialler.stream->BeginMessage(100);
    dialler.stream->AbandonMessage();
    dialler.stream->SendMessage(Text("sent"));
  });
  ASSERT_TRUE(peer.AwaitMessages(1));
  EXPECT_EQ(peer.last, Text("sent"));
}

TEST_F(PeerStreamTest, TellsItsOwnerWhenTheRemoteLeaves) {
  RawPeer client(address());
  ASSERT_TRUE(client.Handshake());
  ASSERT_TRUE(peer.AwaitReady());
  client.socket.Close();
  EXPECT_EQ(peer.AwaitClosed(), ErrorCode::kUnavailable);
  Settle();
  EXPECT_EQ(transport.statistics().connections, 0U);
}

TEST_F(PeerStreamTest, SaysThatAFrameWasCut) {
  RawPeer client(address());
  ASSERT_TRUE(client.Handshake());
  Bytes frame = Seal(client.stream, Filled(1000));
  frame.resize(500);
  ASSERT_TRUE(client.socket.Send(frame));
  client.socket.ShutdownSend();
  EXPECT_EQ(peer.AwaitClosed(), ErrorCode::kUnavailable);
  EXPECT_NE(peer.closed->message.find("within a frame"), std::string::npos);
}

TEST_F(PeerStreamTest, CutsOffARemoteThatForges) {
  RawPeer client(address());
  ASSERT_TRUE(client.Handshake());
  Bytes frame = Seal(client.stream, Text("forged"));
  frame.back() ^= std::byte{1};
  ASSERT_TRUE(client.socket.Send(frame));
  EXPECT_EQ(peer.AwaitClosed(), ErrorCode::kUnauthenticated);
  EXPECT_TRUE(client.socket.AwaitEnd());
}

TEST_F(PeerStreamTest, CutsOffWhoDoesNotSpeakTheProtocol) {
  for (const Bytes& greeting : {Text("GET / HTTP/1.1\r\n\r\n"), Bytes(1000), Uint(0) + Bytes(31),
                                Bytes{std::byte{32}, std::byte{0}, std::byte{0}} + Bytes(32)}) {
    RawSocket socket = RawSocket::ConnectTcp(address());
    ASSERT_TRUE(socket.Send(greeting));
    EXPECT_TRUE(socket.AwaitEnd());
  }
  Settle();
  EXPECT_EQ(transport.statistics().handshakes_failed, 4U);
  OnLoop([&] { EXPECT_FALSE(peer.ready); });
}

TEST_F(PeerStreamTest, CutsOffWhoDoesNotFinishTheHandshake) {
  RawSocket silent = RawSocket::ConnectTcp(address());
  RawPeer half(address());
  ASSERT_TRUE(half.socket.Send(half.stream.TakeOutput()));
  ASSERT_TRUE(half.ReceiveSome());
  AwaitConnections(2);
  Advance(seconds(11));
  EXPECT_TRUE(silent.AwaitEnd());
  EXPECT_TRUE(half.socket.AwaitEnd());
}

TEST_F(PeerStreamTest, CutsOffAHalfOpenConnection) {
  RawPeer client(address());
  ASSERT_TRUE(client.Handshake());
  ASSERT_TRUE(client.Send(Text("x")));
  ASSERT_TRUE(peer.AwaitMessages(1));
  Advance(seconds(29));
  OnLoop([&] { EXPECT_FALSE(peer.stream->closed()); });
  Advance(seconds(2));
  EXPECT_EQ(peer.AwaitClosed(), ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(transport.statistics().idle_cut, 1U);
}

TEST_F(PeerStreamTest, AKeepaliveKeepsAConnectionAlive) {
  RawPeer client(address());
  ASSERT_TRUE(client.Handshake());
  ASSERT_TRUE(peer.AwaitReady());
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(client.socket.Send(Seal(client.stream, {})));
    ASSERT_TRUE(client.socket.Send(Seal(client.stream, Text("x"))));
    ASSERT_TRUE(peer.AwaitMessages(static_cast<std::size_t>(i) + 1));
    Advance(seconds(20));
  }
  OnLoop([&] { EXPECT_FALSE(peer.stream->closed()); });
}

TEST_F(PeerStreamTest, SendsAKeepaliveWhenItHasNothingToSay) {
  RawPeer client(address());
  ASSERT_TRUE(client.Handshake());
  ASSERT_TRUE(peer.AwaitReady());
  Advance(seconds(6));
  const Bytes frame = client.socket.ReceiveExactly(kFrameOverhead);
  ASSERT_EQ(frame.size(), kFrameOverhead);
  EXPECT_EQ(frame[0], std::byte{kStreamCipherOverhead});
}

TEST_F(PeerStreamTest, CutsOffASlowReader) {
  RawPeer client(address());
  ASSERT_TRUE(client.Handshake());
  ASSERT_TRUE(peer.AwaitReady());
  bool full = false;
  while (!full) {
    OnLoop([&] {
      if (peer.stream->writable()) {
        peer.stream->SendMessage(Filled(65'536));
      }
    });
    Settle();
    OnLoop([&] { full = !peer.stream->writable(); });
  }
  OnLoop([&] { EXPECT_LT(peer.stream->queued_bytes(), (1U << 20) + 70'000); });
  for (std::size_t i = 0; i < 29; ++i) {
    ASSERT_TRUE(client.Send(Text("I am alive")));
    ASSERT_TRUE(peer.AwaitMessages(i + 1));
    Advance(seconds(1));
  }
  OnLoop([&] { EXPECT_FALSE(peer.stream->closed()); });
  Advance(seconds(2));
  EXPECT_EQ(peer.AwaitClosed(), ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(transport.statistics().slow_readers_cut, 1U) << peer.closed->message;
}

TEST_F(PeerStreamTest, TellsWhenItMayBeWrittenToAgain) {
  RawPeer client(address());
  ASSERT_TRUE(client.Handshake());
  ASSERT_TRUE(peer.AwaitReady());
  std::size_t sent = 0;
  OnLoop([&] {
    for (; peer.stream->writable(); ++sent) {
      peer.stream->SendMessage(Filled(65'536));
    }
    EXPECT_EQ(peer.writable, 0);
  });
  ASSERT_TRUE(client.AwaitMessages(sent));
  EXPECT_TRUE(peer.watch.Await([&] { return peer.writable == 1; }));
}

class SmallQueueTest : public PeerStreamTest {
 protected:
  SmallQueueTest() : PeerStreamTest(Options()) {}
  static TransportOptions Options() {
    TransportOptions options;
    options.peer.queue_bytes_max = 100'000;
    return options;
  }
};

TEST_F(SmallQueueTest, ASenderThatDoesNotHeedTheQueueLosesTheStream) {
  RawPeer client(address());
  ASSERT_TRUE(client.Handshake());
  ASSERT_TRUE(peer.AwaitReady());
  OnLoop([&] {
    for (int i = 0; i < 11; ++i) {
      peer.stream->SendMessage(Filled(10'000));
    }
  });
  EXPECT_EQ(peer.AwaitClosed(), ErrorCode::kResourceExhausted);
}

TEST_F(PeerStreamTest, MayBeClosedFromWithinAMessage) {
  RawPeer client(address());
  ASSERT_TRUE(client.Handshake());
  ASSERT_TRUE(peer.AwaitReady());
  OnLoop([&] {
    peer.on_message = [&](ByteView) {
      peer.stream->SendMessage(Text("goodbye"));
      peer.stream->Close(Error{ErrorCode::kCancelled, "enough"});
      peer.stream->SendMessage(Text("never"));
    };
  });
  ASSERT_TRUE(client.socket.Send(SealAll(client.stream, {Text("1"), Text("2"), Text("3")})));
  ASSERT_TRUE(client.AwaitMessages(1));
  EXPECT_EQ(client.handler.messages[0], Text("goodbye"));
  EXPECT_TRUE(client.socket.AwaitEnd());
  Settle();
  OnLoop([&] {
    EXPECT_EQ(peer.count, 1U);
    EXPECT_FALSE(peer.closed.has_value()) << "who closes is not told";
  });
}

TEST_F(PeerStreamTest, MayBeDestroyedFromWithinAMessage) {
  RawPeer client(address());
  ASSERT_TRUE(client.Handshake());
  ASSERT_TRUE(peer.AwaitReady());
  OnLoop([&] { peer.on_message = [&](ByteView) { peer.stream.reset(); }; });
  ASSERT_TRUE(client.socket.Send(SealAll(client.stream, {Text("1"), Text("2")})));
  EXPECT_TRUE(client.socket.AwaitEnd());
  OnLoop([&] { EXPECT_EQ(peer.count, 1U); });
}

TEST_F(PeerStreamTest, WhileReadingIsPausedTheRemoteIsHeldBack) {
  RawPeer client(address());
  ASSERT_TRUE(client.Handshake());
  ASSERT_TRUE(peer.AwaitReady());
  OnLoop([&] { peer.stream->PauseReading(); });
  ASSERT_TRUE(client.Send(Text("waits")));
  Advance(seconds(60));  // its silence is not the remote's fault
  OnLoop([&] {
    EXPECT_EQ(peer.count, 0U);
    peer.stream->ResumeReading();
  });
  EXPECT_TRUE(peer.AwaitMessages(1));
}

TEST_F(PeerStreamTest, EndsWhenTheLoopStops) {
  RawPeer client(address());
  ASSERT_TRUE(client.Handshake());
  ASSERT_TRUE(peer.AwaitReady());
  loop.Stop();
  EXPECT_EQ(peer.AwaitClosed(), ErrorCode::kCancelled);
  EXPECT_TRUE(client.socket.AwaitEnd());
  EXPECT_TRUE(peer.stream->closed());
}

class FewConnectionsTest : public PeerStreamTest {
 protected:
  FewConnectionsTest() : PeerStreamTest(Options()) {}
  static TransportOptions Options() {
    TransportOptions options;
    options.connections_per_address_max = 2;
    return options;
  }
};

TEST_F(FewConnectionsTest, RefusesOneMoreFromAnAddress) {
  RawPeer one(address());
  RawPeer two(address());
  ASSERT_TRUE(one.Handshake());
  ASSERT_TRUE(two.Handshake());
  RawPeer three(address());
  EXPECT_FALSE(three.Handshake());
  EXPECT_EQ(transport.statistics().connections_refused, 1U);
  one.socket.Close();
  ASSERT_TRUE(peer.AwaitReady());
  ASSERT_EQ(peer.AwaitClosed(), ErrorCode::kUnavailable);
  RawPeer four(address());
  EXPECT_TRUE(four.Handshake());
}

class NarrowHeldBytesTest : public PeerStreamTest {
 protected:
  NarrowHeldBytesTest() : PeerStreamTest(Options()) {}
  static TransportOptions Options() {
    TransportOptions options;
    options.held_bytes_total_max = 1'000'000;
    return options;
  }
};

TEST_F(NarrowHeldBytesTest, UnfinishedMessagesOfAllPeersAreLimited) {
  RawPeer client(address());
  ASSERT_TRUE(client.Handshake());
  Bytes frame = Seal(client.stream, Filled(4'000'000));
  frame.pop_back();
  (void)client.socket.Send(frame);
  EXPECT_EQ(peer.AwaitClosed(), ErrorCode::kResourceExhausted);
}

class ThrottledTest : public PeerStreamTest {
 protected:
  static constexpr std::uint64_t kRate = 100'000;

  explicit ThrottledTest(TransportOptions options) : PeerStreamTest(options) {}
  static TransportOptions PerPeer() {
    TransportOptions options;
    options.peer.send_bytes_per_second = kRate;
    options.peer.receive_bytes_per_second = kRate;
    return options;
  }
  static TransportOptions InAll() {
    TransportOptions options;
    options.send_bytes_per_second = kRate;
    options.receive_bytes_per_second = kRate;
    return options;
  }
  std::uint64_t BytesOut(Peer& of) {
    std::uint64_t bytes = 0;
    OnLoop([&] { bytes = of.stream->statistics().bytes_out; });
    return bytes;
  }
};

class ThrottledPeerTest : public ThrottledTest {
 protected:
  ThrottledPeerTest() : ThrottledTest(PerPeer()) {}
};

TEST_F(ThrottledPeerTest, IsSentNoMoreThanItsRate) {
  RawPeer client(address());
  ASSERT_TRUE(client.Handshake());
  ASSERT_TRUE(peer.AwaitReady());
  OnLoop([&] {
    for (int i = 0; i < 10; ++i) {
      peer.stream->SendMessage(Filled(100'000));
    }
  });
  Settle();
  const std::uint64_t burst = BytesOut(peer);
  EXPECT_LE(burst, 2 * (std::uint64_t{64} << 10) + 1000);
  for (int second = 1; second <= 10; ++second) {
    ASSERT_TRUE(client.Send(Text("alive")));
    for (int i = 0; i < 10; ++i) {
      Advance(milliseconds(100));
    }
    EXPECT_LE(BytesOut(peer), burst + static_cast<std::uint64_t>(second) * kRate + 65'536);
  }
  EXPECT_GE(BytesOut(peer), 9 * kRate) << "and not much less";
  ASSERT_TRUE(client.AwaitMessages(9));
}

TEST_F(ThrottledPeerTest, IsReadNoFasterThanItsRate) {
  RawPeer client(address());
  ASSERT_TRUE(client.Handshake());
  ASSERT_TRUE(peer.AwaitReady());
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(client.Send(Filled(10'000)));
  }
  // What fits into one read of the loop comes at once; then the debt is paid.
  ASSERT_TRUE(peer.AwaitMessages(7));
  ASSERT_TRUE(client.Send(Text("later")));
  Settle();
  OnLoop([&] { EXPECT_LE(peer.count, 20U); });
  std::size_t count = 0;
  while (count < 21) {
    Advance(milliseconds(500));
    OnLoop([&] { count = peer.count; });
  }
}

class ThrottledTransportTest : public ThrottledTest {
 protected:
  ThrottledTransportTest() : ThrottledTest(InAll()) {}
};

TEST_F(ThrottledTransportTest, StreamsTakeTurns) {
  constexpr std::size_t kClients = 4;
  std::vector<std::unique_ptr<RawPeer>> clients;
  for (std::size_t i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<RawPeer>(address()));
    ASSERT_TRUE(clients.back()->Handshake());
  }
  ASSERT_TRUE(peer.AwaitReady());
  OnLoop([&] {
    ASSERT_EQ(more.size(), kClients - 1);
    for (int i = 0; i < 20; ++i) {
      peer.stream->SendMessage(Filled(65'000));
      for (const auto& other : more) {
        other->stream->SendMessage(Filled(65'000));
      }
    }
  });
  for (int i = 0; i < 200; ++i) {
    for (const auto& client : clients) {
      ASSERT_TRUE(client->Send(Text("alive")));
    }
    Advance(milliseconds(100));
  }
  std::uint64_t least = BytesOut(peer);
  std::uint64_t most = least;
  std::uint64_t all = least;
  for (const auto& other : more) {
    const std::uint64_t bytes = BytesOut(*other);
    least = std::min(least, bytes);
    most = std::max(most, bytes);
    all += bytes;
  }
  EXPECT_LE(all, 20 * kRate + 4 * 65'536);
  EXPECT_GE(all, 19 * kRate);
  EXPECT_LE(most - least, 2U * 65'536) << "nobody starves";
}

// --- TcpConnector -------------------------------------------------------------------------------

class TcpConnectorTest : public PeerStreamTest {
 protected:
  ~TcpConnectorTest() override { loop.Stop(); }

  // The error with which the attempt ended.
  Error Outcome() {
    EXPECT_TRUE(watch.Await([&] { return outcome.has_value(); }));
    return outcome.value_or(Error{});
  }
  void Try(const std::string& to) {
    OnLoop([&] {
      connector = std::make_unique<TcpConnector>(
          transport, to, seconds(10), [&](const Result<std::unique_ptr<PeerStream>>& stream) {
            watch.Change([&] { outcome = stream ? Error{} : stream.error(); });
          });
    });
  }

  Watch watch;
  std::optional<Error> outcome;
};

TEST_F(TcpConnectorTest, SaysThatNobodyListens) {
  const std::string gone = address();
  OnLoop([&] { listener.reset(); });
  Try(gone);
  EXPECT_EQ(Outcome().code, ErrorCode::kUnavailable);
  EXPECT_NE(Outcome().message.find(gone), std::string::npos) << Outcome().message;
}

TEST_F(TcpConnectorTest, SaysThatAnAddressIsNone) {
  Try("nonsense");
  EXPECT_EQ(Outcome().code, ErrorCode::kInvalidArgument);
}

TEST_F(TcpConnectorTest, TriesTheNextAddressOfAName) {
  // localhost may be ::1 too, where nobody listens on this port.
  const std::string port = address().substr(address().rfind(':'));
  OnLoop([&] {
    connector = std::make_unique<TcpConnector>(transport, "localhost" + port, seconds(10),
                                               [&](Result<std::unique_ptr<PeerStream>> stream) {
                                                 ASSERT_TRUE(stream.has_value())
                                                     << stream.error().message;
                                                 dialler.Take(*std::move(stream));
                                               });
  });
  EXPECT_TRUE(dialler.AwaitReady());
}

TEST_F(TcpConnectorTest, GivesUpOnAPeerThatDoesNotAnswerTheHandshake) {
  UniqueFd silent(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(any);
  ASSERT_EQ(::bind(silent.get(), reinterpret_cast<const sockaddr*>(&any), length), 0);
  ASSERT_EQ(::listen(silent.get(), 5), 0);
  ASSERT_EQ(::getsockname(silent.get(), reinterpret_cast<sockaddr*>(&any), &length), 0);
  Try("127.0.0.1:" + std::to_string(ntohs(any.sin_port)));
  const UniqueFd accepted(::accept(silent.get(), nullptr, nullptr));
  Bytes first(35);
  ASSERT_EQ(::recv(accepted.get(), first.data(), first.size(), MSG_WAITALL), 35);
  Advance(seconds(11));
  EXPECT_EQ(Outcome().code, ErrorCode::kDeadlineExceeded);
}

TEST_F(TcpConnectorTest, IsGivenUpByItsDestruction) {
  OnLoop([&] {
    connector = std::make_unique<TcpConnector>(
        transport, address(), seconds(10),
        [&](const Result<std::unique_ptr<PeerStream>>&) { outcome = Error{}; });
    connector.reset();
  });
  Settle();
  OnLoop([&] { EXPECT_FALSE(outcome.has_value()); });
}

TEST_F(TcpConnectorTest, IsGivenUpWhenTheLoopStops) {
  OnLoop([&] { listener.reset(); });
  UniqueFd silent(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(any);
  ASSERT_EQ(::bind(silent.get(), reinterpret_cast<const sockaddr*>(&any), length), 0);
  ASSERT_EQ(::listen(silent.get(), 5), 0);
  ASSERT_EQ(::getsockname(silent.get(), reinterpret_cast<sockaddr*>(&any), &length), 0);
  Try("127.0.0.1:" + std::to_string(ntohs(any.sin_port)));
  loop.Stop();
  EXPECT_EQ(Outcome().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace hnx::hyper
