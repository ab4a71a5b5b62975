// SecretFraming: secret-stream on a socket. The handshake is done here (TCP), or was done by a
// bridge that hands over its keys in front of the stream's own bytes
// (docs/formats/secret-stream.md).
#pragma once

#include <optional>

#include "hyper/transport/framing.h"

namespace hnx::hyper {

class SecretFraming : public Framing {
 public:
  // `clock` must outlive the framing.
  SecretFraming(SecretStream::Role role, KeyPair static_key, const Clock& clock,
                SecretStreamOptions options);

  Bytes TakeOutput() override { return stream_->TakeOutput(); }
  Result<void> Receive(std::span<std::byte> bytes, SecretStreamHandler& handler) override;
  Result<void> ReceiveEnd() const override { return stream_->ReceiveEnd(); }
  bool established() const override { return stream_ && stream_->established(); }
  std::size_t overhead() const override { return kFrameOverhead; }
  std::size_t message_offset() const override { return kFrameMessageOffset; }
  void Seal(std::span<std::byte> frame) override { stream_->SealFrame(frame); }
  std::optional<Clock::SteadyTime> keepalive_due() const override;
  bool remote_keeps_alive() const override { return true; }
  std::size_t held_bytes() const override { return stream_ ? stream_->held_bytes() : 0; }
  bool is_initiator() const override { return stream_->is_initiator(); }
  const HandshakeHash& handshake_hash() const override { return stream_->handshake_hash(); }
  const PublicKey& remote_public_key() const override { return stream_->remote_public_key(); }

 protected:
  SecretFraming() = default;

  std::optional<SecretStream> stream_;
};

// isInitiator(1) | tx(32) | rx(32) | handshakeHash(64) | publicKey(32) | remotePublicKey(32)
inline constexpr std::size_t kHandoverSize = 193;

class HandoverFraming final : public SecretFraming {
 public:
  HandoverFraming(const Clock& clock, SecretStreamOptions options);

  Bytes TakeOutput() override;
  Result<void> Receive(std::span<std::byte> bytes, SecretStreamHandler& handler) override;
  Result<void> ReceiveEnd() const override;

 private:
  const Clock& clock_;
  const SecretStreamOptions options_;
  SecretBytes<kHandoverSize> handover_;
  std::size_t received_ = 0;
};

}  // namespace hnx::hyper
