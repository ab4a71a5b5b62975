// Words for the protomux tests: two ends joined, handlers that write down what they are told.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hyper/wire/protomux.h"
#include "wire_fixture.h"

namespace hnx::hyper {

// "open:HANDSHAKE", "TYPE:PAYLOAD", "end:N"
class NotingHandler final : public ChannelHandler {
 public:
  Result<void> OnOpen(Channel& channel, ByteView remote_handshake) override {
    notes.push_back("open:" + ToString(remote_handshake));
    return on_open ? on_open(channel) : Result<void>();
  }
  Result<void> OnMessage(Channel& channel, std::uint64_t type, ByteView payload) override {
    notes.push_back(std::to_string(type) + ":" + ToString(payload));
    return on_message ? on_message(channel) : Result<void>();
  }
  void OnClosed(Channel& /*channel*/, ChannelEnd end) override {
    notes.push_back(end == ChannelEnd::kClosedByRemote ? "end:closed"
                    : end == ChannelEnd::kRejected     ? "end:rejected"
                                                       : "end:stream");
    if (on_closed) {
      on_closed();
    }
  }

  std::vector<std::string> notes;
  std::function<Result<void>(Channel&)> on_open;
  std::function<Result<void>(Channel&)> on_message;
  std::function<void()> on_closed;
};

class NotingPair final : public PairHandler {
 public:
  PairAnswer OnRemoteOpen(Protomux& mux, const ChannelName& name) override {
    asked.push_back(ToText(name));
    return answer ? answer(mux, name) : PairAnswer::kReject;
  }

  std::vector<std::string> asked;
  std::function<PairAnswer(Protomux&, const ChannelName&)> answer;
};

// One end: what it sends is kept until it is carried over.
struct MuxEnd {
  explicit MuxEnd(const Clock& clock) : mux(sink, clock, &pair) {}

  Channel* Open(std::string_view protocol, NotingHandler& handler, std::string_view handshake = "",
                std::string_view id = "") {
    Result<Channel*> channel =
        mux.OpenChannel({std::string(protocol), Text(id)}, Text(handshake), handler);
    EXPECT_TRUE(channel.has_value()) << (channel ? "" : channel.error().message);
    return channel.value_or(nullptr);
  }
  Result<void> Get(const Bytes& message) { return mux.Receive(message); }

  KeepingSink sink;
  NotingPair pair;
  Protomux mux;
};

class ProtomuxTest : public ::testing::Test {
 protected:
  // Carries messages both ways until none is left.
  void Carry() {
    while (!a.sink.messages.empty() || !b.sink.messages.empty()) {
      while (!a.sink.messages.empty()) {
        ASSERT_TRUE(b.Get(a.sink.Next()).has_value());
      }
      while (!b.sink.messages.empty()) {
        ASSERT_TRUE(a.Get(b.sink.Next()).has_value());
      }
    }
  }
  static Bytes OpenMessage(std::uint64_t id, std::string_view protocol,
                           std::string_view handshake = "", std::string_view channel_id = "") {
    return Uint(0) + Uint(1) + Uint(id) + Buf(protocol) + Buf(channel_id) + Text(handshake);
  }
  static Bytes RejectMessage(std::uint64_t id) { return Uint(0) + Uint(2) + Uint(id); }
  static Bytes CloseMessage(std::uint64_t id) { return Uint(0) + Uint(3) + Uint(id); }
  static Bytes Message(std::uint64_t id, std::uint64_t type, std::string_view payload) {
    return Uint(id) + Uint(type) + Text(payload);
  }

  using Notes = std::vector<std::string>;
  FakeClock clock;
  MuxEnd a{clock};
  MuxEnd b{clock};
  NotingHandler at_a;
  NotingHandler at_b;
};

}  // namespace hnx::hyper
