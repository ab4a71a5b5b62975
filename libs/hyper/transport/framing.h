// Framing: what distinguishes the back ends of PeerStream from one another: how messages lie in the
// bytes of a socket, and where handshake hash and remote key come from. Sans-I/O, one thread.
//
//   SecretFraming      TCP: Noise, then secret-stream
//   HandoverFraming    keys from a bridge that did the handshake, then secret-stream
//   BridgeFraming      decrypted messages from a bridge
#pragma once

#include <optional>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "hyper/core/fixed_bytes.h"
#include "hyper/wire/handshake_hash.h"
#include "hyper/wire/secret_stream.h"

namespace hnx::hyper {

class Framing {
 public:
  virtual ~Framing() = default;

  // Bytes that precede everything else; asked for at the start, when ready and after each Receive.
  virtual Bytes TakeOutput() = 0;
  // Calls OnReady once, then OnMessage for each message that is not empty.
  virtual Result<void> Receive(std::span<std::byte> bytes, SecretStreamHandler& handler) = 0;
  // The remote ended the connection: an error when it did so in the middle of something.
  virtual Result<void> ReceiveEnd() const = 0;
  // The remote has proved that it is what OnReady said.
  virtual bool established() const = 0;

  // A frame is overhead() bytes longer than its message, which lies message_offset() bytes into it.
  virtual std::size_t overhead() const = 0;
  virtual std::size_t message_offset() const = 0;
  virtual void Seal(std::span<std::byte> frame) = 0;
  // When to send an empty message; nothing: never.
  virtual std::optional<Clock::SteadyTime> keepalive_due() const = 0;
  // Whether a healthy remote is heard of at least every few seconds.
  virtual bool remote_keeps_alive() const = 0;

  virtual std::size_t held_bytes() const = 0;

  // When ready.
  virtual bool is_initiator() const = 0;
  virtual const HandshakeHash& handshake_hash() const = 0;
  virtual const PublicKey& remote_public_key() const = 0;
  // What OnReady learned of the remote's address; empty: nothing.
  virtual std::string remote_name() const { return {}; }
};

}  // namespace hnx::hyper
