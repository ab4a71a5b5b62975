// Words for the transport tests: an event loop with a clock that is turned by hand, peers that
// write down what happens to them, and a client with a plain socket, which can misbehave.
//
// Nothing here sleeps: the test thread waits for what a peer has written down.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mutex.h"
#include "hyper/transport/socket_address.h"
#include "hyper/transport/tcp_connector.h"
#include "hyper/transport/tcp_listener.h"
#include "hyper/transport/transport.h"
#include "wire_fixture.h"

namespace hnx::hyper {

inline constexpr std::chrono::seconds kPatience{30};

// What changes under its lock is waited for.
class Watch {
 public:
  void Change(const std::function<void()>& change) {
    MutexLock lock(mutex_);
    change();
    changed_.NotifyAll();
  }
  bool Await(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    MutexLock lock(mutex_);
    while (!condition()) {
      if (std::chrono::steady_clock::now() >= deadline) {
        return false;
      }
      changed_.WaitFor(mutex_, std::chrono::milliseconds(200));
    }
    return true;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
};

// The owner of a stream. `on_message` runs on the loop's thread.
class Peer final : public PeerStreamListener {
 public:
  void Take(std::unique_ptr<PeerStream> taken) {
    stream = std::move(taken);
    stream->SetListener(*this);
    watch.Change([&] { ready = true; });
  }
  void OnMessage(ByteView message) override {
    if (on_message) {
      on_message(message);
    }
    watch.Change([&] {
      bytes += message.size();
      ++count;
      last = ToBytes(message);
    });
  }
  void OnWritable() override {
    watch.Change([&] { ++writable; });
  }
  void OnClosed(const Error& reason) override {
    watch.Change([&] { closed = reason; });
  }
  bool AwaitReady() {
    return watch.Await([&] { return ready; });
  }
  bool AwaitMessages(std::size_t wanted) {
    return watch.Await([&] { return count >= wanted; });
  }
  // kOk when it never was.
  ErrorCode AwaitClosed() {
    return watch.Await([&] { return closed.has_value(); }) ? closed->code : ErrorCode{0};
  }

  Watch watch;
  std::unique_ptr<PeerStream> stream;
  std::function<void(ByteView)> on_message;
  bool ready = false;
  std::size_t count = 0;
  std::size_t bytes = 0;
  int writable = 0;
  Bytes last;
  std::optional<Error> closed;
};

// A blocking socket of the test thread.
class RawSocket {
 public:
  static RawSocket ConnectTcp(const std::string& address) {
    const SocketAddress target = *SocketAddress::Parse(address);
    RawSocket socket(UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    EXPECT_EQ(::connect(socket.fd_.get(), target.get(), sizeof(sockaddr_in)), 0);
    const int on = 1;
    EXPECT_EQ(::setsockopt(socket.fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
    return socket;
  }
  static RawSocket ConnectUnix(const std::string& path) {
    sockaddr_un target{};
    target.sun_family = AF_UNIX;
    std::copy(path.begin(), path.end(), static_cast<char*>(target.sun_path));
    RawSocket socket(UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    EXPECT_EQ(
        ::connect(socket.fd_.get(), reinterpret_cast<const sockaddr*>(&target), sizeof(target)), 0);
    return socket;
  }

  // False when the other side is gone.
  bool Send(ByteView bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        return false;
      }
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
    return true;
  }
  // What there is, waiting for at least one byte; empty at the end or after an error.
  Bytes Receive(std::size_t size_max = 1 << 16) {
    Bytes bytes(size_max);
    const ssize_t received = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
    bytes.resize(received > 0 ? static_cast<std::size_t>(received) : 0);
    timed_out = received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    return bytes;
  }
  Bytes ReceiveExactly(std::size_t size) {
    Bytes all;
    while (all.size() < size) {
      const Bytes some = Receive(size - all.size());
      if (some.empty()) {
        break;
      }
      AppendTo(all, some);
    }
    return all;
  }
  // Reads to the end; false when there is none.
  bool AwaitEnd() {
    while (!Receive().empty()) {
    }
    return !timed_out;
  }
  void ShutdownSend() { ::shutdown(fd_.get(), SHUT_WR); }
  void Close() { fd_ = UniqueFd(); }

  bool timed_out = false;

 private:
  explicit RawSocket(UniqueFd fd) : fd_(std::move(fd)) {
    timeval patience{};
    patience.tv_sec = kPatience.count();
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  }

  UniqueFd fd_;
};

// A client whose secret stream runs in the test thread.
class RawPeer {
 public:
  explicit RawPeer(const std::string& address)
      : socket(RawSocket::ConnectTcp(address)),
        stream(SecretStream::Role::kInitiator, KeyOf(77), clock) {}

  bool Handshake() {
    while (!stream.established()) {
      if (!socket.Send(stream.TakeOutput()) || !ReceiveSome()) {
        return false;
      }
    }
    return socket.Send(stream.TakeOutput());
  }
  bool ReceiveSome() {
    Bytes bytes = socket.Receive();
    return !bytes.empty() && stream.Receive(bytes, handler).has_value();
  }
  bool Send(const Bytes& message) { return socket.Send(Seal(stream, message)); }
  bool AwaitMessages(std::size_t count) {
    while (handler.messages.size() < count) {
      if (!ReceiveSome()) {
        return false;
      }
    }
    return true;
  }

  FakeClock clock;
  RawSocket socket;
  SecretStream stream;
  KeepingHandler handler;
};

class TransportTest : public ::testing::Test {
 protected:
  explicit TransportTest(TransportOptions options = {}) : transport(loop, KeyOf(42), options) {
    loop.Start();
    loop.RunAndWait([this] {
      Result<std::unique_ptr<TcpListener>> made = TcpListener::Listen(
          transport, "127.0.0.1:0",
          [this](std::unique_ptr<PeerStream> stream) { Accept(std::move(stream)); });
      ASSERT_TRUE(made.has_value()) << made.error().message;
      listener = *std::move(made);
    });
  }
  ~TransportTest() override { loop.Stop(); }

  // The first connection becomes `peer`, the others `more`.
  void Accept(std::unique_ptr<PeerStream> stream) {
    if (!peer.ready) {
      peer.Take(std::move(stream));
      return;
    }
    more.push_back(std::make_unique<Peer>());
    more.back()->Take(std::move(stream));
  }
  std::string address() const { return listener->address(); }
  void OnLoop(const std::function<void()>& task) { loop.RunAndWait(task); }
  // The loop has done everything that was due and can be done without waiting.
  void Settle() {
    for (int i = 0; i < 4; ++i) {
      OnLoop([] {});
    }
  }
  // A connection is accepted some time after connect returned.
  void AwaitConnections(std::uint64_t count) {
    while (transport.statistics().connections < count) {
      Settle();
    }
  }
  void Advance(std::chrono::milliseconds by) {
    clock.Advance(by);
    Settle();
  }

  FakeClock clock;
  EventLoop loop{"wire-test", clock};
  Transport transport;
  std::unique_ptr<TcpListener> listener;
  Peer peer;
  std::vector<std::unique_ptr<Peer>> more;
};

}  // namespace hnx::hyper
