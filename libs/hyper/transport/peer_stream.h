// PeerStream: one established, encrypted connection to one peer, whatever carries it: TCP with
// Noise, a bridge's decrypted frames, or a bridge that handed the keys over. It carries whole
// messages.
//
// Lives on the thread of its EventLoop: every call, callback and the destruction happen there. The
// owner holds it by unique_ptr and may destroy it at any moment, from within its callbacks too;
// that closes the connection and no callback comes any more.
//
// Back-pressure, out: messages are gathered and written together at the end of the loop's turn.
// writable() turns false when too much waits to be written (PeerStreamOptions); OnWritable comes
// when most of it has gone. A sender that goes on regardless loses the stream at queue_bytes_max.
// Back-pressure, in: PauseReading; messages that were read already (at most one read buffer) still
// come.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/core/fixed_bytes.h"
#include "hyper/wire/handshake_hash.h"
#include "hyper/wire/message_sink.h"

namespace hnx::hyper {

struct PeerStreamStatistics {
  std::uint64_t bytes_in = 0;  // on the socket
  std::uint64_t bytes_out = 0;
  std::uint64_t messages_in = 0;  // without keep-alives
  std::uint64_t messages_out = 0;
};

class PeerStreamListener {
 public:
  virtual ~PeerStreamListener() = default;
  // Never empty: keep-alives are eaten. `message` is valid during the call.
  virtual void OnMessage(ByteView message) = 0;
  virtual void OnWritable() = 0;
  // The last callback; not called after the own Close or destruction.
  virtual void OnClosed(const Error& reason) = 0;
};

// A connection that carries whole messages: a PeerStream, or a bridge's control connection.
class MessageStream : public MessageSink {
 public:
  // Once, from within the callback that hands the stream over. Must outlive the stream.
  virtual void SetListener(PeerStreamListener& listener) = 0;
  // For logs: "192.0.2.1:4711" or "192.0.2.1:4711 by bridge 5f3a09c2".
  virtual const std::string& remote_name() const = 0;

  virtual bool writable() const = 0;
  virtual std::size_t queued_bytes() const = 0;
  virtual void PauseReading() = 0;
  virtual void ResumeReading() = 0;
  virtual PeerStreamStatistics statistics() const = 0;

  // Writes what is queued if the socket takes it at once, then ends the connection. `reason` is for
  // the log. Idempotent; no callback follows.
  virtual void Close(const Error& reason) = 0;
  virtual bool closed() const = 0;
};

class PeerStream : public MessageStream {
 public:
  // Of the encrypted connection; with a bridge, of the bridge's side.
  virtual bool is_initiator() const = 0;
  virtual const HandshakeHash& handshake_hash() const = 0;
  virtual const PublicKey& remote_public_key() const = 0;
};

}  // namespace hnx::hyper
