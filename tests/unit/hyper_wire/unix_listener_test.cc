#include "hyper/transport/unix_listener.h"

#include <filesystem>

#include <sys/stat.h>

#include "hyper/transport/bridge_framing.h"
#include "hyper/transport/secret_framing.h"
#include "transport_fixture.h"

namespace hnx::hyper {
namespace {

using std::chrono::seconds;

Bytes Frame(const Bytes& body) {
  Bytes frame(4);
  StoreLe32(static_cast<std::uint32_t>(body.size()), std::span(frame).first<4>());
  return frame + body;
}

Bytes BridgeKey() {
  return Bytes(32, std::byte{0xaa});
}

Bytes ControlHello(std::uint8_t version = 1) {
  return Bytes{std::byte{version}, std::byte{1}} + BridgeKey();
}

Bytes DataHello(std::uint8_t family = 4) {
  return Bytes{std::byte{1}, std::byte{2}} + BridgeKey() +
         Bytes{std::byte{family}, std::byte{0xa0}, std::byte{0x0f}, std::byte{0xc0},
               std::byte{0},      std::byte{2},    std::byte{1}} +
         Bytes(12);
}

Bytes StartFrame(std::uint8_t is_initiator) {
  return Bytes{std::byte{is_initiator}} + Bytes(64, std::byte{5}) + Bytes(32, std::byte{6});
}

class UnixListenerTest : public TransportTest {
 protected:
  UnixListenerTest() {
    folder = std::filesystem::temp_directory_path() /
             ("hnx-wire-" + std::to_string(::getpid()) + "-" +
              ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder);
    path = (folder / "swarm.sock").string();
  }
  ~UnixListenerTest() override {
    loop.Stop();
    unix_listener.reset();
    std::filesystem::remove_all(folder);
  }

  Result<std::unique_ptr<UnixListener>> Listen(UnixListener::Protocol protocol) {
    Result<std::unique_ptr<UnixListener>> made = Internal("not run");
    OnLoop([&] {
      made = UnixListener::Listen(
          transport, path, protocol,
          [this](std::unique_ptr<PeerStream> stream) { Accept(std::move(stream)); },
          [this](BridgeControl opened) {
            bridge_key = opened.bridge_key;
            control_stream = std::move(opened.stream);
            control_stream->SetListener(control);
            control.watch.Change([&] { control.ready = true; });
          });
    });
    return made;
  }
  void Begin(UnixListener::Protocol protocol = UnixListener::Protocol::kBridge) {
    Result<std::unique_ptr<UnixListener>> made = Listen(protocol);
    ASSERT_TRUE(made.has_value()) << made.error().message;
    unix_listener = *std::move(made);
  }
  // The listener closes a connection on which this is sent.
  bool IsRefused(const Bytes& bytes) {
    RawSocket bridge = RawSocket::ConnectUnix(path);
    (void)bridge.Send(bytes);
    return bridge.AwaitEnd();
  }

  std::filesystem::path folder;
  std::string path;
  std::unique_ptr<UnixListener> unix_listener;
  Peer control;
  std::unique_ptr<MessageStream> control_stream;
  PublicKey bridge_key;
};

TEST_F(UnixListenerTest, CarriesDecryptedMessagesBothWays) {
  Begin();
  RawSocket bridge = RawSocket::ConnectUnix(path);
  ASSERT_TRUE(bridge.Send(Frame(DataHello()) + Frame(StartFrame(0)) + Frame(Text("hello"))));
  ASSERT_TRUE(peer.AwaitMessages(1));
  EXPECT_EQ(peer.last, Text("hello"));
  OnLoop([&] {
    EXPECT_FALSE(peer.stream->is_initiator());
    EXPECT_EQ(peer.stream->handshake_hash().bytes[63], std::byte{5});
    EXPECT_EQ(peer.stream->remote_public_key().bytes[31], std::byte{6});
    EXPECT_EQ(peer.stream->remote_name(), "192.0.2.1:4000 by bridge aaaaaaaa");
    peer.stream->SendMessage(Text("answer"));
  });
  EXPECT_EQ(bridge.ReceiveExactly(10), Frame(Text("answer")));
}

TEST_F(UnixListenerTest, ItDoesNotMatterHowTheBytesArePortioned) {
  FakeClock unused;
  const Bytes wire = Frame(DataHello(0)) + Frame(StartFrame(1)) + Frame(Text("one")) + Frame({}) +
                     Frame(Filled(300));
  for (const std::size_t portion : {1U, 3U, 4U, 57U, 1000U}) {
    BridgeFraming framing(kMessageSizeMax);
    KeepingHandler handler;
    for (std::size_t at = 0; at < wire.size(); at += portion) {
      Bytes piece = ToBytes(ByteView(wire).subspan(at, std::min(portion, wire.size() - at)));
      ASSERT_TRUE(framing.Receive(piece, handler).has_value()) << portion;
    }
    EXPECT_EQ(handler.ready, 1);
    EXPECT_EQ(handler.messages, (std::vector<Bytes>{Text("one"), Filled(300)})) << portion;
    EXPECT_TRUE(framing.is_initiator());
    EXPECT_TRUE(framing.ReceiveEnd().has_value());
  }
}

TEST_F(UnixListenerTest, ABridgesSilenceIsNoReasonToEnd) {
  Begin();
  RawSocket bridge = RawSocket::ConnectUnix(path);
  ASSERT_TRUE(bridge.Send(Frame(DataHello()) + Frame(StartFrame(0))));
  ASSERT_TRUE(peer.AwaitReady());
  Advance(seconds(300));
  OnLoop([&] {
    EXPECT_FALSE(peer.stream->closed());
    EXPECT_EQ(peer.stream->statistics().bytes_out, 0U) << "nor are keep-alives sent";
  });
}

TEST_F(UnixListenerTest, HandsOverTheControlConnection) {
  Begin();
  RawSocket bridge = RawSocket::ConnectUnix(path);
  ASSERT_TRUE(bridge.Send(Frame(ControlHello()) + Frame(Text("{\"type\":\"state\"}"))));
  ASSERT_TRUE(control.AwaitMessages(1));
  EXPECT_EQ(control.last, Text("{\"type\":\"state\"}"));
  EXPECT_EQ(ToBytes(bridge_key.view()), BridgeKey());
  OnLoop([&] { control_stream->SendMessage(Text("{}")); });
  EXPECT_EQ(bridge.ReceiveExactly(6), Frame(Text("{}")));
}

TEST_F(UnixListenerTest, RefusesWhatIsNoBridgeOfThisVersion) {
  Begin();
  EXPECT_TRUE(IsRefused(Frame(ControlHello(2))));
  EXPECT_TRUE(IsRefused(Frame(Bytes{std::byte{1}, std::byte{3}} + BridgeKey())));
  EXPECT_TRUE(IsRefused(Frame(ControlHello() + Bytes(1))));
  EXPECT_TRUE(IsRefused(Frame(Bytes{std::byte{1}, std::byte{2}} + BridgeKey())));
  EXPECT_TRUE(IsRefused(Frame(DataHello(5))));
  EXPECT_TRUE(IsRefused(Frame(DataHello()) + Frame(StartFrame(2))));
  EXPECT_TRUE(IsRefused(Frame(DataHello()) + Frame(Bytes(96))));
  EXPECT_TRUE(IsRefused(Frame({})));
  EXPECT_TRUE(IsRefused(Bytes(4, std::byte{0xff})));
  OnLoop([&] { EXPECT_FALSE(peer.ready || control.ready); });
}

TEST_F(UnixListenerTest, EndsAConnectionWithATooLongFrameByItsLengthWord) {
  Begin();
  Bytes too_long(4);
  StoreLe32(static_cast<std::uint32_t>(kMessageSizeMax + 1), std::span(too_long).first<4>());
  RawSocket bridge = RawSocket::ConnectUnix(path);
  ASSERT_TRUE(bridge.Send(Frame(DataHello()) + Frame(StartFrame(0)) + too_long));
  EXPECT_EQ(peer.AwaitClosed(), ErrorCode::kInvalidArgument);

  StoreLe32(static_cast<std::uint32_t>(kBridgeControlFrameMax + 1), std::span(too_long).first<4>());
  RawSocket second = RawSocket::ConnectUnix(path);
  ASSERT_TRUE(second.Send(Frame(ControlHello()) + too_long));
  EXPECT_EQ(control.AwaitClosed(), ErrorCode::kInvalidArgument);
}

TEST_F(UnixListenerTest, EndsAConnectionWithoutAHello) {
  Begin();
  RawSocket bridge = RawSocket::ConnectUnix(path);
  AwaitConnections(1);
  Advance(seconds(6));
  EXPECT_TRUE(bridge.AwaitEnd());
}

TEST_F(UnixListenerTest, TellsThatTheBridgeLeft) {
  Begin();
  RawSocket bridge = RawSocket::ConnectUnix(path);
  ASSERT_TRUE(bridge.Send(Frame(DataHello()) + Frame(StartFrame(0))));
  ASSERT_TRUE(peer.AwaitReady());
  bridge.Close();
  EXPECT_EQ(peer.AwaitClosed(), ErrorCode::kUnavailable);
}

TEST_F(UnixListenerTest, LetsOnlyItsOwnUserIn) {
  Begin();
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(UnixListenerTest, ReplacesTheSocketOfAProcessThatIsGone) {
  {
    const UniqueFd stale(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(path.begin(), path.end(), static_cast<char*>(address.sun_path));
    ASSERT_EQ(::bind(stale.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  Begin();
  RawSocket bridge = RawSocket::ConnectUnix(path);
  ASSERT_TRUE(bridge.Send(Frame(ControlHello())));
  EXPECT_TRUE(control.AwaitReady());
}

TEST_F(UnixListenerTest, DoesNotTakeTheSocketOfAnotherProcess) {
  Begin();
  EXPECT_EQ(CodeOf(Listen(UnixListener::Protocol::kBridge)), ErrorCode::kAlreadyExists);
}

TEST_F(UnixListenerTest, DoesNotReplaceAFile) {
  ASSERT_TRUE(WriteFileDurably(path, Text("precious")).has_value());
  EXPECT_EQ(CodeOf(Listen(UnixListener::Protocol::kBridge)), ErrorCode::kAlreadyExists);
  EXPECT_EQ(*ReadWholeFile(path, 100), "precious");
}

TEST_F(UnixListenerTest, SaysThatAPathIsTooLong) {
  path = std::string(200, 'x');
  EXPECT_EQ(CodeOf(Listen(UnixListener::Protocol::kBridge)), ErrorCode::kInvalidArgument);
}

TEST_F(UnixListenerTest, TakesKeysThatAreHandedOver) {
  Begin(UnixListener::Protocol::kHandover);
  SessionKeys keys;
  keys.tx = SessionKey(std::span<const std::byte, 32>(Bytes(32, std::byte{2})));
  keys.rx = SessionKey(std::span<const std::byte, 32>(Bytes(32, std::byte{1})));
  keys.hash.bytes.fill(std::byte{5});
  SecretStream remote(SecretStream::Role::kInitiator, std::move(keys), clock);
  RawSocket bridge = RawSocket::ConnectUnix(path);
  const Bytes handover = Bytes{std::byte{0}} + Bytes(32, std::byte{1}) + Bytes(32, std::byte{2}) +
                         Bytes(64, std::byte{5}) + Bytes(32, std::byte{3}) +
                         Bytes(32, std::byte{6});
  ASSERT_EQ(handover.size(), kHandoverSize);
  ASSERT_TRUE(bridge.Send(handover + remote.TakeOutput()));
  ASSERT_TRUE(bridge.Send(Seal(remote, Text("sealed"))));
  ASSERT_TRUE(peer.AwaitMessages(1));
  EXPECT_EQ(peer.last, Text("sealed"));
  OnLoop([&] {
    EXPECT_EQ(peer.stream->remote_public_key().bytes[0], std::byte{6});
    peer.stream->SendMessage(Text("back"));
  });
  KeepingHandler at_remote;
  while (at_remote.messages.empty()) {
    Bytes bytes = bridge.Receive();
    ASSERT_FALSE(bytes.empty());
    ASSERT_TRUE(remote.Receive(bytes, at_remote).has_value());
  }
  EXPECT_EQ(at_remote.messages[0], Text("back"));
}

TEST_F(UnixListenerTest, RefusesAHandoverThatIsNone) {
  Begin(UnixListener::Protocol::kHandover);
  EXPECT_TRUE(IsRefused(Bytes(kHandoverSize, std::byte{2})));
}

}  // namespace
}  // namespace hnx::hyper
