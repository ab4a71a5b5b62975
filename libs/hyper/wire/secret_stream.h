// SecretStream: bytes of a connection in, plaintext messages out, and back. Sans-I/O. Format:
// docs/formats/secret-stream.md.
//
//   SecretStream stream(SecretStream::Role::kResponder, key_pair, clock, options);
//   write(stream.TakeOutput());             // and after each Receive
//   stream.Receive(bytes_read, handler);    // decrypts in place, calls the handler for each
//   message
//
// A frame to be sent is made in the write buffer itself: kFrameOverhead bytes longer than the
// message, which lies kFrameMessageOffset bytes into it; SealFrame encrypts it there.
//
// One thread. Errors end the stream: nothing of it is used afterwards. kInvalidArgument: the bytes
// are no secret stream; kUnauthenticated: forged, damaged or of another session;
// kResourceExhausted: a message longer than options.message_size_max.
#pragma once

#include <chrono>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "hyper/wire/message_sink.h"
#include "hyper/wire/noise_handshake.h"

namespace hnx::hyper {

inline constexpr std::size_t kFrameLengthSize = 3;
inline constexpr std::size_t kFrameMessageOffset = kFrameLengthSize + 1;
inline constexpr std::size_t kFrameOverhead = kFrameLengthSize + kStreamCipherOverhead;
inline constexpr std::chrono::milliseconds kKeepaliveInterval{5000};

struct SecretStreamOptions {
  // What this side takes; longer ones end the stream before they are read.
  std::size_t message_size_max = kMessageSizeMax;
  // An empty message is due when nothing was sent for so long; zero: never.
  std::chrono::milliseconds keepalive_interval = kKeepaliveInterval;
};

class SecretStreamHandler {
 public:
  virtual ~SecretStreamHandler() = default;
  // The keys are agreed: hash and remote key are known, SealFrame may be called; TakeOutput first,
  // its bytes precede every frame. Comes from within
  // Receive, once; never for a stream that was made of handed-over keys, which is ready at once.
  virtual Result<void> OnReady() = 0;
  // Not for empty messages. An error ends Receive. `message` is valid during the call.
  virtual Result<void> OnMessage(ByteView message) = 0;
};

class SecretStream {
 public:
  enum class Role { kInitiator, kResponder };

  // With a handshake; `static_key` is the peer's name of this side. `clock` must outlive the
  // stream.
  SecretStream(Role role, KeyPair static_key, const Clock& clock, SecretStreamOptions options = {});
  // After a handshake that another did.
  SecretStream(Role role, SessionKeys keys, const Clock& clock, SecretStreamOptions options = {});

  // Handshake messages and the header that are to be written before anything else; often empty.
  Bytes TakeOutput();

  Result<void> Receive(std::span<std::byte> bytes, SecretStreamHandler& handler);
  // At the end of the connection: an error when it ends within a frame or before the header.
  Result<void> ReceiveEnd() const;

  bool ready() const { return sealer_.has_value(); }
  // The remote's header has come too: it holds the same keys.
  bool established() const { return opener_.has_value(); }
  bool is_initiator() const { return role_ == Role::kInitiator; }
  // When ready.
  const HandshakeHash& handshake_hash() const { return keys_.hash; }
  const PublicKey& remote_public_key() const { return keys_.remote_public_key; }

  // When ready. `frame` is a whole frame as described above, its message of at most
  // kMessageSizeMax.
  void SealFrame(std::span<std::byte> frame);
  // When an empty frame is to be sealed and sent unless another is sealed before; nothing: never.
  std::optional<Clock::SteadyTime> keepalive_due() const;

  // Memory that an unfinished frame holds.
  std::size_t held_bytes() const { return partial_.capacity(); }

 private:
  void ReservePartial(std::size_t length);
  Result<void> CheckLength(std::size_t length) const;
  // Takes what completes the frame that has begun; returns the bytes after it.
  Result<std::span<std::byte>> ContinueFrame(std::span<std::byte> bytes,
                                             SecretStreamHandler& handler);
  Result<void> OnFrame(std::span<std::byte> body, SecretStreamHandler& handler);
  Result<void> OnHandshakeMessage(ByteView body, SecretStreamHandler& handler);
  Result<void> OnHeader(ByteView body);
  void AppendFrame(ByteView body);
  void BecomeReady();

  const Role role_;
  const Clock& clock_;
  const SecretStreamOptions options_;
  std::optional<NoiseHandshake> handshake_;
  SessionKeys keys_;
  std::optional<StreamSealer> sealer_;
  std::optional<StreamOpener> opener_;
  Clock::SteadyTime last_sealed_;
  Bytes output_;
  Bytes partial_;  // a frame of which a part has come, its length word first
};

}  // namespace hnx::hyper
