// What the wire scripts in js/ talk to: this side of a connection, told what to do by its
// arguments. Prints "listening ADDRESS", then what happens, a line each.
//
//   wire_tool listen                     waits for one peer
//   wire_tool dial HOST:PORT             calls one
//
// then, over each connection, speaks protomux: opens the channel ("echo", id 01 02 03) with
// handshake "cpp", sends back each message of types 0 to 9 as it came; type 10 is answered by a
// batch of three messages, type 11 by a close. An open for protocol "ondemand" is accepted when
// asked for, one for "later" after a turn of the loop; others are rejected. A message of type 12
// makes it open the channel "nobody", and its reject is reported.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <unistd.h>

#include "base/clock.h"
#include "base/hex.h"
#include "hyper/transport/tcp_connector.h"
#include "hyper/transport/tcp_listener.h"
#include "hyper/transport/transport.h"
#include "hyper/wire/protomux.h"

namespace hnx::hyper {
namespace {

void Say(const std::string& line) {
  (void)std::printf("%s\n", line.c_str());
  (void)std::fflush(stdout);
}

class Session final : public PeerStreamListener, public ChannelHandler, public PairHandler {
 public:
  Session(std::unique_ptr<PeerStream> stream, EventLoop& loop)
      : loop_(loop), stream_(std::move(stream)), mux_(*stream_, loop.clock(), this) {
    stream_->SetListener(*this);
    Say("peer " + EncodeHex(stream_->remote_public_key().view()));
    Say("hash " + EncodeHex(stream_->handshake_hash().view()));
    Open({"echo", {std::byte{1}, std::byte{2}, std::byte{3}}});
  }

  void OnMessage(ByteView message) override {
    if (const Result<void> received = mux_.Receive(message); !received) {
      Say("broken " + received.error().message);
      stream_->Close(received.error());
      mux_.End();
    }
  }
  void OnWritable() override {}
  void OnClosed(const Error& reason) override {
    Say("closed " + reason.message);
    mux_.End();
  }

  Result<void> OnOpen(Channel& channel, ByteView remote_handshake) override {
    Say("open " + ToText(channel.name()) + " " + ToString(remote_handshake));
    return {};
  }
  Result<void> OnMessage(Channel& channel, std::uint64_t type, ByteView payload) override {
    if (type < 10) {
      channel.Send(type, payload);
    } else if (type == 10) {
      mux_.Cork();
      for (std::uint64_t i = 0; i < 3; ++i) {
        channel.Send(i, payload);
      }
      mux_.Uncork();
    } else if (type == 11) {
      channel.Close();
    } else if (type == 12) {
      Open({"nobody", {}});
    }
    return {};
  }
  void OnClosed(Channel& channel, ChannelEnd end) override {
    Say(std::string(end == ChannelEnd::kRejected ? "rejected " : "ended ") +
        ToText(channel.name()));
  }

  PairAnswer OnRemoteOpen(Protomux& /*mux*/, const ChannelName& name) override {
    if (name.protocol == "ondemand") {
      Open(name);
    } else if (name.protocol == "later") {
      loop_.After(std::chrono::milliseconds(20), [this, name] { Open(name); });
      return PairAnswer::kLater;
    }
    return PairAnswer::kReject;
  }

 private:
  void Open(const ChannelName& name) {
    const Result<Channel*> channel = mux_.OpenChannel(name, AsBytes("cpp"), *this);
    if (!channel) {
      Say("not opened " + channel.error().message);
    }
  }

  EventLoop& loop_;
  const std::unique_ptr<PeerStream> stream_;
  Protomux mux_;
};

int Run(const std::vector<std::string>& arguments) {
  EventLoop loop("wire-tool", Clock::Real());
  Transport transport(loop, KeyPair::Generate(), {});
  std::vector<std::unique_ptr<Session>> sessions;
  std::unique_ptr<TcpListener> listener;
  std::unique_ptr<TcpConnector> connector;
  loop.Start();
  const auto accept = [&](std::unique_ptr<PeerStream> stream) {
    sessions.push_back(std::make_unique<Session>(std::move(stream), loop));
  };
  loop.RunAndWait([&] {
    Say("key " + EncodeHex(transport.public_key().view()));
    if (arguments[0] == "listen") {
      Result<std::unique_ptr<TcpListener>> made =
          TcpListener::Listen(transport, "127.0.0.1:0", accept);
      Say(made ? "listening " + (*made)->address() : made.error().message);
      listener = made ? *std::move(made) : nullptr;
      return;
    }
    connector = std::make_unique<TcpConnector>(transport, arguments[1], std::chrono::seconds(10),
                                               [&](Result<std::unique_ptr<PeerStream>> stream) {
                                                 if (stream) {
                                                   accept(*std::move(stream));
                                                 } else {
                                                   Say("failed " + stream.error().message);
                                                 }
                                               });
  });
  // Until the script closes standard input.
  char byte = 0;
  while (::read(STDIN_FILENO, &byte, 1) > 0) {
  }
  loop.Stop();
  return 0;
}

}  // namespace
}  // namespace hnx::hyper

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.empty() || (arguments[0] != "listen" && arguments.size() < 2)) {
    (void)std::fprintf(stderr, "wire_tool listen | dial HOST:PORT\n");
    return 2;
  }
  return hnx::hyper::Run(arguments);
}
