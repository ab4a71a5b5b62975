// BridgeFraming: the back end's side of a connection from the swarm bridge: frames of u32 length
// and body; a hello, then for a data connection a start frame and decrypted messages, for the
// control connection JSON texts. Format and limits: docs/formats/swarm-bridge.md.
#pragma once

#include "hyper/transport/framing.h"

namespace hnx::hyper {

inline constexpr std::uint8_t kBridgeVersion = 1;
inline constexpr std::size_t kBridgeLengthSize = 4;
inline constexpr std::size_t kBridgeControlFrameMax = 1 << 20;

class BridgeFraming final : public Framing {
 public:
  enum class Kind : std::uint8_t { kUnknown = 0, kControl = 1, kData = 2 };

  explicit BridgeFraming(std::size_t message_size_max) : message_size_max_(message_size_max) {}

  Bytes TakeOutput() override { return {}; }
  Result<void> Receive(std::span<std::byte> bytes, SecretStreamHandler& handler) override;
  Result<void> ReceiveEnd() const override;
  bool established() const override { return step_ == Step::kMessages; }
  std::size_t overhead() const override { return kBridgeLengthSize; }
  std::size_t message_offset() const override { return kBridgeLengthSize; }
  void Seal(std::span<std::byte> frame) override;
  std::optional<Clock::SteadyTime> keepalive_due() const override { return std::nullopt; }
  // The bridge eats the keep-alives of its remotes; it knows itself when one is gone.
  bool remote_keeps_alive() const override { return false; }
  std::size_t held_bytes() const override { return partial_.capacity(); }
  bool is_initiator() const override { return is_initiator_; }
  const HandshakeHash& handshake_hash() const override { return hash_; }
  const PublicKey& remote_public_key() const override { return remote_public_key_; }
  std::string remote_name() const override { return remote_name_; }

  // After the hello.
  Kind kind() const { return kind_; }
  const PublicKey& bridge_key() const { return bridge_key_; }

 private:
  enum class Step { kHello, kStart, kMessages };

  Result<void> CheckLength(std::size_t length) const;
  Result<void> OnFrame(ByteView body, SecretStreamHandler& handler);
  Result<void> OnHello(ByteView body);
  Result<void> OnStart(ByteView body);

  const std::size_t message_size_max_;
  Step step_ = Step::kHello;
  Kind kind_ = Kind::kUnknown;
  PublicKey bridge_key_;
  bool is_initiator_ = false;
  HandshakeHash hash_;
  PublicKey remote_public_key_;
  std::string remote_name_;
  Bytes partial_;
};

}  // namespace hnx::hyper
