// A protomux whose peer says anything. Whatever the messages: no crash, no more memory than the
// limits say, every channel that was opened is closed, and what this side sends is understood by
// another protomux (unless the script made that one's peer lie).
//
// The input is a script of records: u8 kind, u8 or u16 length, payload. Kinds: 0 = a message as it
// is; 1 = this side opens the channel named by the payload; 2 = closes it; 3 = sends on it; 4 =
// rejects it when it waits; 5 = the clock goes on; 6 = cork; 7 = uncork.
#include <cstdint>
#include <deque>
#include <map>

#include "base/check.h"
#include "base/clock.h"
#include "hyper/wire/protomux.h"

namespace hnx::hyper {
namespace {

class Sink final : public MessageSink {
 public:
  std::span<std::byte> BeginMessage(std::size_t size) override {
    HNX_CHECK(size >= 2 && size <= kMessageSizeMax);
    begun_.resize(size);
    return begun_;
  }
  void CommitMessage() override { messages.push_back(begun_); }
  void AbandonMessage() override { begun_.clear(); }

  std::deque<Bytes> messages;

 private:
  Bytes begun_;
};

class Handler final : public ChannelHandler {
 public:
  explicit Handler(std::size_t& open) : open_(open) {}
  Result<void> OnOpen(Channel& channel, ByteView remote_handshake) override {
    HNX_CHECK(channel.open() && remote_handshake.size() <= kProtomuxHandshakeSizeMax);
    return {};
  }
  Result<void> OnMessage(Channel& channel, std::uint64_t type, ByteView payload) override {
    if (type == 1) {
      channel.Send(2, payload);
    } else if (type == 3) {
      --open_;
      channel.Close();
    } else if (type == 4) {
      return InvalidArgument("the handler does not like it");
    }
    return {};
  }
  void OnClosed(Channel& channel, ChannelEnd /*end*/) override {
    HNX_CHECK(channel.mux().Find(channel.name()) == nullptr);
    --open_;
  }

 private:
  std::size_t& open_;
};

class Pairing final : public PairHandler {
 public:
  PairAnswer OnRemoteOpen(Protomux& mux, const ChannelName& name) override {
    if (name.protocol.size() % 3 == 1) {
      Open(mux, name);
    }
    return name.protocol.size() % 3 == 2 ? PairAnswer::kLater : PairAnswer::kReject;
  }
  void Open(Protomux& mux, const ChannelName& name) {
    ++open;
    if (!mux.OpenChannel(name, {}, handler) && mux.Find(name) == nullptr) {
      --open;
    } else if (mux.channel_count() < open) {
      open = mux.channel_count();  // it was there already
    }
  }

  std::size_t open = 0;
  Handler handler{open};
};

class Script {
 public:
  explicit Script(ByteView input) : rest_(input) {}
  bool Next(std::uint8_t& kind, ByteView& payload) {
    if (rest_.size() < 2) {
      return false;
    }
    kind = std::to_integer<std::uint8_t>(rest_[0]) % 8;
    const std::size_t length = std::min(std::to_integer<std::size_t>(rest_[1]), rest_.size() - 2);
    payload = rest_.subspan(2, length);
    rest_ = rest_.subspan(2 + length);
    return true;
  }

 private:
  ByteView rest_;
};

void Run(ByteView input) {
  FakeClock clock;
  Sink sink;
  Pairing pairing;
  Protomux mux(sink, clock, &pairing);
  mux.AddAlias("old", "p");
  int corked = 0;
  Script script(input);
  std::uint8_t kind = 0;
  ByteView payload;
  while (script.Next(kind, payload) && !mux.failure()) {
    const ChannelName name{ToString(payload), {}};
    Channel* const channel = mux.Find(name);
    if (kind == 0) {
      (void)mux.Receive(payload);
    } else if (kind == 1 && channel == nullptr) {
      pairing.Open(mux, name);
    } else if (kind == 2 && channel != nullptr) {
      --pairing.open;
      channel->Close();
    } else if (kind == 3 && channel != nullptr) {
      channel->Send(payload.size(), payload);
    } else if (kind == 4) {
      (void)mux.RejectPending(name);
    } else if (kind == 5) {
      clock.Advance(std::chrono::milliseconds(1000));
    } else if (kind == 6) {
      mux.Cork();
      ++corked;
    } else if (kind == 7 && corked > 0) {
      mux.Uncork();
      --corked;
    }
    HNX_CHECK(mux.channel_count() <= kProtomuxChannelsMax);
  }
  while (corked-- > 0) {
    mux.Uncork();
  }
  mux.End();
  HNX_CHECK(mux.channel_count() == 0 && pairing.open == 0);
  // What was sent is well-formed: another side that wants nothing finds no syntax error in it.
  Sink other_sink;
  Protomux other(other_sink, clock, nullptr);
  for (const Bytes& message : sink.messages) {
    const Result<void> received = other.Receive(message);
    if (!received) {
      HNX_CHECK(received.error().message.find("reject of channel") != std::string::npos ||
                received.error().code == ErrorCode::kResourceExhausted ||
                received.error().message.find("in use or not the next") != std::string::npos);
      break;
    }
  }
}

}  // namespace
}  // namespace hnx::hyper

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  hnx::hyper::Run(std::as_bytes(std::span(data, size)));
  return 0;
}
