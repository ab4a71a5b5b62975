#include "hyper/wire/secret_stream.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace hnx::hyper {
namespace {

constexpr std::size_t kHeaderMessageSize = Hash::kSize + kStreamCipherHeaderSize;
// What is set aside because a length word says so; beyond it a buffer grows with what really came.
constexpr std::size_t kPartialReserveMax = 128 << 10;
constexpr std::string_view kNamespace = "hyperswarm/secret-stream";

std::size_t LoadLe24(ByteView bytes) {
  return std::to_integer<std::size_t>(bytes[0]) | std::to_integer<std::size_t>(bytes[1]) << 8 |
         std::to_integer<std::size_t>(bytes[2]) << 16;
}

void StoreLe24(std::size_t value, std::span<std::byte> out) {
  out[0] = static_cast<std::byte>(value & 0xff);
  out[1] = static_cast<std::byte>(value >> 8 & 0xff);
  out[2] = static_cast<std::byte>(value >> 16 & 0xff);
}

Hash StreamId(const HandshakeHash& hash, bool of_initiator) {
  return KeyedHashOf(hash.view(), {NamespaceOf(kNamespace, of_initiator ? 0 : 1).view()});
}

}  // namespace

SecretStream::SecretStream(Role role, KeyPair static_key, const Clock& clock,
                           SecretStreamOptions options)
    : role_(role), clock_(clock), options_(options), last_sealed_(clock.Steady()) {
  handshake_.emplace(is_initiator(), std::move(static_key));
  if (handshake_->my_turn()) {
    const Result<Bytes> first = handshake_->Send();
    HNX_CHECK(first.has_value());  // the first message shares no secret yet
    AppendFrame(*first);
  }
}

SecretStream::SecretStream(Role role, SessionKeys keys, const Clock& clock,
                           SecretStreamOptions options)
    : role_(role),
      clock_(clock),
      options_(options),
      keys_(std::move(keys)),
      last_sealed_(clock.Steady()) {
  BecomeReady();
}

Bytes SecretStream::TakeOutput() {
  return std::exchange(output_, Bytes());
}

Result<void> SecretStream::Receive(std::span<std::byte> bytes, SecretStreamHandler& handler) {
  while (!bytes.empty()) {
    if (!partial_.empty()) {
      HNX_ASSIGN_OR_RETURN(bytes, ContinueFrame(bytes, handler));
      continue;
    }
    if (bytes.size() >= kFrameLengthSize) {
      const std::size_t length = LoadLe24(bytes);
      HNX_TRY(CheckLength(length));
      if (bytes.size() - kFrameLengthSize >= length) {
        HNX_TRY(OnFrame(bytes.subspan(kFrameLengthSize, length), handler));
        bytes = bytes.subspan(kFrameLengthSize + length);
        continue;
      }
      ReservePartial(length);
    }
    AppendTo(partial_, bytes);
    bytes = {};
  }
  return {};
}

Result<void> SecretStream::ReceiveEnd() const {
  if (!partial_.empty()) {
    return Unavailable("the connection ended within a frame, after " +
                       std::to_string(partial_.size()) + " bytes of it");
  }
  if (!established()) {
    return Unavailable("the connection ended before the handshake was over");
  }
  return {};
}

Result<std::span<std::byte>> SecretStream::ContinueFrame(std::span<std::byte> bytes,
                                                         SecretStreamHandler& handler) {
  const auto take_up_to = [&](std::size_t size) {
    const std::size_t count = std::min(bytes.size(), size - partial_.size());
    AppendTo(partial_, bytes.first(count));
    bytes = bytes.subspan(count);
  };
  if (partial_.size() < kFrameLengthSize) {
    take_up_to(kFrameLengthSize);
    if (partial_.size() < kFrameLengthSize) {
      return bytes;
    }
    HNX_TRY(CheckLength(LoadLe24(partial_)));
    ReservePartial(LoadLe24(partial_));
  }
  const std::size_t frame_size = kFrameLengthSize + LoadLe24(partial_);
  take_up_to(frame_size);
  if (partial_.size() == frame_size) {
    // The buffer goes with the frame: an idle stream holds none.
    Bytes frame = std::exchange(partial_, Bytes());
    HNX_TRY(OnFrame(std::span(frame).subspan(kFrameLengthSize), handler));
  }
  return bytes;
}

void SecretStream::ReservePartial(std::size_t length) {
  partial_.reserve(std::min(kFrameLengthSize + length, kPartialReserveMax));
}

Result<void> SecretStream::CheckLength(std::size_t length) const {
  if (handshake_ || !opener_) {
    const std::size_t expected = handshake_ ? handshake_->next_size() : kHeaderMessageSize;
    if (length != expected) {
      return InvalidArgument("secret stream: expected a handshake message of " +
                             std::to_string(expected) + " bytes, got " + std::to_string(length));
    }
    return {};
  }
  if (length < kStreamCipherOverhead) {
    return InvalidArgument("secret stream: a frame of " + std::to_string(length) +
                           " bytes is too short for a message");
  }
  if (length - kStreamCipherOverhead > options_.message_size_max) {
    return ResourceExhausted("secret stream: a message of " +
                             std::to_string(length - kStreamCipherOverhead) + " bytes; at most " +
                             std::to_string(options_.message_size_max) + " are taken");
  }
  return {};
}

Result<void> SecretStream::OnFrame(std::span<std::byte> body, SecretStreamHandler& handler) {
  if (handshake_) {
    return OnHandshakeMessage(body, handler);
  }
  if (!opener_) {
    return OnHeader(body);
  }
  const std::optional<ByteView> message = opener_->Open(body);
  if (!message) {
    return Unauthenticated("secret stream: a message was forged or damaged");
  }
  if (message->empty()) {
    return {};
  }
  return handler.OnMessage(*message);
}

Result<void> SecretStream::OnHandshakeMessage(ByteView body, SecretStreamHandler& handler) {
  if (handshake_->my_turn()) {
    return InvalidArgument("secret stream: a handshake message out of turn");
  }
  HNX_TRY(handshake_->Receive(body));
  if (handshake_->my_turn()) {
    HNX_ASSIGN_OR_RETURN(const Bytes answer, handshake_->Send());
    AppendFrame(answer);
  }
  if (!handshake_->done()) {
    return {};
  }
  keys_ = handshake_->TakeKeys();
  handshake_.reset();
  BecomeReady();
  return handler.OnReady();
}

Result<void> SecretStream::OnHeader(ByteView body) {
  const Hash expected = StreamId(keys_.hash, !is_initiator());
  if (!std::ranges::equal(body.first(Hash::kSize), expected.view())) {
    return Unauthenticated("secret stream: the header is of another session");
  }
  opener_.emplace(keys_.rx, body.subspan<Hash::kSize, kStreamCipherHeaderSize>());
  keys_.rx = SessionKey();
  return {};
}

void SecretStream::AppendFrame(ByteView body) {
  std::array<std::byte, kFrameLengthSize> length{};
  StoreLe24(body.size(), length);
  AppendTo(output_, length);
  AppendTo(output_, body);
}

void SecretStream::BecomeReady() {
  std::array<std::byte, kHeaderMessageSize> header{};
  const Hash id = StreamId(keys_.hash, is_initiator());
  std::ranges::copy(id.view(), header.begin());
  sealer_.emplace(keys_.tx, std::span(header).last<kStreamCipherHeaderSize>());
  keys_.tx = SessionKey();
  AppendFrame(header);
}

void SecretStream::SealFrame(std::span<std::byte> frame) {
  HNX_CHECK(ready() && frame.size() >= kFrameOverhead &&
            frame.size() - kFrameOverhead <= kMessageSizeMax);
  StoreLe24(frame.size() - kFrameLengthSize, frame);
  sealer_->Seal(frame.subspan(kFrameLengthSize));
  last_sealed_ = clock_.Steady();
}

std::optional<Clock::SteadyTime> SecretStream::keepalive_due() const {
  if (!ready() || options_.keepalive_interval.count() == 0) {
    return std::nullopt;
  }
  return last_sealed_ + options_.keepalive_interval;
}

}  // namespace hnx::hyper
