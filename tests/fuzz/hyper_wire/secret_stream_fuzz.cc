// A secret stream whose peer holds the keys, or does not. Whatever the bytes and however they are
// portioned: no crash, no memory beyond what came, and a message is delivered only as it was
// sealed.
//
// The first byte says how the rest is taken: 0 = bytes after the header as they are; 1 = bytes of a
// handshake from its beginning; otherwise a script: each step is a byte. Below 128: a message of so
// many bytes is sealed and delivered; 128 to 191: the next frame is delivered in portions of
// (byte - 127); 192 and more: one bit of the next frame is flipped, which must end the stream.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "hyper/wire/secret_stream.h"

namespace hnx::hyper {
namespace {

class Keeper final : public SecretStreamHandler {
 public:
  Result<void> OnReady() override { return {}; }
  Result<void> OnMessage(ByteView message) override {
    HNX_CHECK(!message.empty());
    messages.push_back(ToBytes(message));
    return {};
  }

  std::vector<Bytes> messages;
};

SessionKeys Keys(std::uint8_t tx, std::uint8_t rx) {
  SessionKeys keys;
  std::ranges::fill(keys.tx.span(), std::byte{tx});
  std::ranges::fill(keys.rx.span(), std::byte{rx});
  return keys;
}

Bytes Seal(SecretStream& stream, ByteView message) {
  Bytes frame(message.size() + kFrameOverhead);
  std::ranges::copy(message, frame.begin() + kFrameMessageOffset);
  stream.SealFrame(frame);
  return frame;
}

Result<void> Deliver(SecretStream& stream, Bytes bytes, std::size_t portion, Keeper& keeper) {
  for (std::size_t at = 0; at < bytes.size(); at += portion) {
    const std::span<std::byte> rest = std::span(bytes).subspan(at);
    HNX_TRY(stream.Receive(rest.first(std::min(portion, rest.size())), keeper));
  }
  return {};
}

void RunScript(SecretStream& sender, SecretStream& receiver, ByteView script) {
  Keeper keeper;
  HNX_CHECK(Deliver(receiver, sender.TakeOutput(), 7, keeper).has_value());
  std::vector<Bytes> expected;
  std::size_t portion = 1 << 20;
  bool flip = false;
  for (const std::byte step : script) {
    const auto value = std::to_integer<std::size_t>(step);
    if (value >= 192) {
      flip = true;
      continue;
    }
    if (value >= 128) {
      portion = value - 127;
      continue;
    }
    const Bytes message(value, step);
    Bytes frame = Seal(sender, message);
    if (flip) {
      frame[kFrameLengthSize + value % (frame.size() - kFrameLengthSize)] ^= std::byte{4};
      HNX_CHECK(!Deliver(receiver, frame, portion, keeper).has_value());
      break;
    }
    HNX_CHECK(Deliver(receiver, frame, portion, keeper).has_value());
    if (!message.empty()) {
      expected.push_back(message);
    }
  }
  HNX_CHECK(keeper.messages == expected);
}

void Run(std::uint8_t mode, ByteView input) {
  const FakeClock clock;
  const SecretStreamOptions options{.message_size_max = 1 << 16, .keepalive_interval = {}};
  SecretStream sender(SecretStream::Role::kInitiator, Keys(1, 2), clock, options);
  SecretStream receiver(SecretStream::Role::kResponder, Keys(2, 1), clock, options);
  if (mode > 1) {
    RunScript(sender, receiver, input);
    return;
  }
  Keeper keeper;
  if (mode == 0) {
    HNX_CHECK(Deliver(receiver, sender.TakeOutput(), 1 << 20, keeper).has_value());
    (void)Deliver(receiver, ToBytes(input), 5, keeper);
    HNX_CHECK(keeper.messages.empty());  // nobody sealed anything
    HNX_CHECK(receiver.held_bytes() <= (128 << 10) + 2 * input.size());
    return;
  }
  static const KeyPair key = KeyPair::FromSeed(Bytes(32, std::byte{9}));
  for (const auto role : {SecretStream::Role::kInitiator, SecretStream::Role::kResponder}) {
    SecretStream stranger(role, key.Clone(), clock, options);
    (void)Deliver(stranger, ToBytes(input), 11, keeper);
    (void)stranger.TakeOutput();
    (void)stranger.ReceiveEnd();
    HNX_CHECK(keeper.messages.empty());
  }
}

}  // namespace
}  // namespace hnx::hyper

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 0) {
    hnx::hyper::Run(data[0], std::as_bytes(std::span(data, size)).subspan(1));
  }
  return 0;
}
