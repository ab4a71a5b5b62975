// One thread serves a thousand connections at once, over real sockets.
#include <sys/resource.h>

#include "transport_fixture.h"

namespace hnx::hyper {
namespace {

constexpr std::size_t kConnections = 1000;
constexpr int kRounds = 3;

TransportOptions Many() {
  TransportOptions options;
  options.connections_max = 2 * kConnections;
  options.connections_per_address_max = 2 * kConnections;
  return options;
}

// Sends the message back.
class Echo final : public PeerStreamListener {
 public:
  explicit Echo(std::unique_ptr<PeerStream> taken) : stream_(std::move(taken)) {
    stream_->SetListener(*this);
  }
  void OnMessage(ByteView message) override { stream_->SendMessage(message); }
  void OnWritable() override {}
  void OnClosed(const Error& /*reason*/) override {}

 private:
  const std::unique_ptr<PeerStream> stream_;
};

class ManyConnectionsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    ASSERT_GE(limit.rlim_cur, 2 * kConnections + 100) << "raise the limit of open files";
  }
};

TEST_F(ManyConnectionsTest, OneThreadServesAThousand) {
  EventLoop server_loop("server", Clock::Real());
  EventLoop client_loop("clients", Clock::Real());
  Transport server(server_loop, KeyOf(1), Many());
  Transport clients(client_loop, KeyOf(2), Many());
  std::vector<std::unique_ptr<Echo>> echoes;
  std::unique_ptr<TcpListener> listener;
  server_loop.Start();
  client_loop.Start();
  server_loop.RunAndWait([&] {
    listener = *TcpListener::Listen(server, "127.0.0.1:0", [&](std::unique_ptr<PeerStream> peer) {
      echoes.push_back(std::make_unique<Echo>(std::move(peer)));
    });
  });

  Watch watch;
  std::size_t answers = 0;
  std::size_t failures = 0;
  std::vector<std::unique_ptr<Peer>> peers(kConnections);
  std::vector<std::unique_ptr<TcpConnector>> connectors(kConnections);
  client_loop.RunAndWait([&] {
    for (std::size_t i = 0; i < kConnections; ++i) {
      peers[i] = std::make_unique<Peer>();
      Peer& peer = *peers[i];
      const Bytes message = Filled(5000, static_cast<std::uint8_t>(i));
      peer.on_message = [&, message](ByteView answer) {
        EXPECT_EQ(ToBytes(answer), message);
        if (peer.count + 1 < kRounds) {
          peer.stream->SendMessage(message);
        } else {
          watch.Change([&] { ++answers; });
        }
      };
      connectors[i] =
          std::make_unique<TcpConnector>(clients, listener->address(), std::chrono::seconds(60),
                                         [&, message](Result<std::unique_ptr<PeerStream>> stream) {
                                           if (!stream) {
                                             watch.Change([&] { ++failures; });
                                             return;
                                           }
                                           peer.Take(*std::move(stream));
                                           peer.stream->SendMessage(message);
                                         });
    }
  });
  EXPECT_TRUE(watch.Await([&] { return answers + failures == kConnections; }));
  EXPECT_EQ(failures, 0U);
  EXPECT_EQ(server.statistics().connections, kConnections);
  client_loop.Stop();
  server_loop.Stop();
  EXPECT_EQ(server.statistics().connections, 0U);
}

}  // namespace
}  // namespace hnx::hyper
