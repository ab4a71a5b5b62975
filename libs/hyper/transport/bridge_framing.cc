#include "hyper/transport/bridge_framing.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "hyper/codec/compact_encoding.h"
#include "hyper/transport/socket_address.h"

namespace hnx::hyper {
namespace {

constexpr std::size_t kControlHelloSize = 34;
constexpr std::size_t kDataHelloSize = 53;
constexpr std::size_t kStartSize = 97;
// What is set aside because a length word says so; beyond it a buffer grows with what really came.
constexpr std::size_t kFrameReserveMax = 128 << 10;

}  // namespace

Result<void> BridgeFraming::Receive(std::span<std::byte> bytes, SecretStreamHandler& handler) {
  while (!bytes.empty()) {
    if (partial_.empty() && bytes.size() >= kBridgeLengthSize) {
      const std::size_t length = LoadLe32(bytes);
      HNX_TRY(CheckLength(length));
      if (bytes.size() - kBridgeLengthSize >= length) {
        HNX_TRY(OnFrame(bytes.subspan(kBridgeLengthSize, length), handler));
        bytes = bytes.subspan(kBridgeLengthSize + length);
        continue;
      }
    }
    std::size_t wanted = kBridgeLengthSize;
    if (partial_.size() >= kBridgeLengthSize) {
      wanted += LoadLe32(partial_);
      partial_.reserve(std::min(wanted, kFrameReserveMax));
    }
    const std::size_t count = std::min(bytes.size(), wanted - partial_.size());
    AppendTo(partial_, bytes.first(count));
    bytes = bytes.subspan(count);
    if (partial_.size() < kBridgeLengthSize) {
      continue;
    }
    const std::size_t length = LoadLe32(partial_);
    HNX_TRY(CheckLength(length));
    if (partial_.size() == kBridgeLengthSize + length) {
      const Bytes frame = std::exchange(partial_, Bytes());
      HNX_TRY(OnFrame(ByteView(frame).subspan(kBridgeLengthSize), handler));
    }
  }
  return {};
}

Result<void> BridgeFraming::ReceiveEnd() const {
  if (!partial_.empty() || step_ != Step::kMessages) {
    return Unavailable(
        "the bridge ended the connection within a frame or before the first message");
  }
  return {};
}

Result<void> BridgeFraming::CheckLength(std::size_t length) const {
  const bool fits = [&] {
    switch (step_) {
      case Step::kHello:
        return length == kControlHelloSize || length == kDataHelloSize;
      case Step::kStart:
        return length == kStartSize;
      case Step::kMessages:
        break;
    }
    return length <= (kind_ == Kind::kControl ? kBridgeControlFrameMax : message_size_max_);
  }();
  if (!fits) {
    return InvalidArgument("bridge: a frame of " + std::to_string(length) +
                           " bytes is not what is due, or too long");
  }
  return {};
}

Result<void> BridgeFraming::OnFrame(ByteView body, SecretStreamHandler& handler) {
  switch (step_) {
    case Step::kHello:
      HNX_TRY(OnHello(body));
      step_ = kind_ == Kind::kControl ? Step::kMessages : Step::kStart;
      return kind_ == Kind::kControl ? handler.OnReady() : Result<void>();
    case Step::kStart:
      HNX_TRY(OnStart(body));
      step_ = Step::kMessages;
      return handler.OnReady();
    case Step::kMessages:
      break;
  }
  return body.empty() ? Result<void>() : handler.OnMessage(body);
}

Result<void> BridgeFraming::OnHello(ByteView body) {
  Decoder decoder(body);
  HNX_ASSIGN_OR_RETURN(const std::uint8_t version, decoder.Uint8("hello: version"));
  HNX_ASSIGN_OR_RETURN(const std::uint8_t kind, decoder.Uint8("hello: kind"));
  const bool control = kind == static_cast<std::uint8_t>(Kind::kControl);
  const bool data = kind == static_cast<std::uint8_t>(Kind::kData);
  if (version != kBridgeVersion || !(control || data) ||
      body.size() != (control ? kControlHelloSize : kDataHelloSize)) {
    return InvalidArgument("bridge: a hello of version " + std::to_string(version) + ", kind " +
                           std::to_string(kind) + " and " + std::to_string(body.size()) +
                           " bytes; this side speaks version 1: bring both to the same release");
  }
  HNX_ASSIGN_OR_RETURN(const ByteView key, decoder.Raw(PublicKey::kSize, "hello: bridge key"));
  HNX_ASSIGN_OR_RETURN(bridge_key_, PublicKey::FromBytes(key, "hello: bridge key"));
  kind_ = control ? Kind::kControl : Kind::kData;
  const std::string bridge = "bridge " + bridge_key_.ToHex().substr(0, 8);
  remote_name_ = bridge;
  if (data) {
    HNX_ASSIGN_OR_RETURN(const std::uint8_t family, decoder.Uint8("hello: family"));
    const ByteView port = decoder.rest().first(2);
    const ByteView address = decoder.rest().subspan(2);
    const auto number = static_cast<std::uint16_t>(std::to_integer<unsigned>(port[0]) |
                                                   std::to_integer<unsigned>(port[1]) << 8);
    if (family == 4 || family == 6) {
      remote_name_ =
          SocketAddress::FromBytes(family == 4 ? address.first(4) : address, number).ToText() +
          " by " + bridge;
    } else if (family != 0) {
      return InvalidArgument("bridge: a hello with address family " + std::to_string(family));
    }
  }
  return {};
}

Result<void> BridgeFraming::OnStart(ByteView body) {
  if (body[0] > std::byte{1}) {
    return InvalidArgument("bridge: the first byte of a start frame must be 0 or 1");
  }
  is_initiator_ = body[0] == std::byte{1};
  std::memcpy(hash_.bytes.data(), &body[1], HandshakeHash::kSize);
  std::memcpy(remote_public_key_.bytes.data(), &body[1 + HandshakeHash::kSize], PublicKey::kSize);
  return {};
}

void BridgeFraming::Seal(std::span<std::byte> frame) {
  StoreLe32(static_cast<std::uint32_t>(frame.size() - kBridgeLengthSize), frame.first<4>());
}

}  // namespace hnx::hyper
