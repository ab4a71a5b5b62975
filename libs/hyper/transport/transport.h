// Transport: what all connections of one event loop share: this side's key pair, the limits and
// throttles in all, and the counters. Listeners and connectors are made with it.
//
// Made before the loop starts or on its thread, and destroyed after the loop has stopped. All else
// happens on the loop's thread, but for statistics(), which any thread may call.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "hyper/core/crypto.h"
#include "hyper/transport/event_loop.h"
#include "hyper/wire/secret_stream.h"

namespace hnx::hyper {

// For one connection. A time of zero: never; a rate of zero: no limit.
struct PeerStreamOptions {
  std::size_t message_size_max = kMessageSizeMax;
  std::chrono::milliseconds keepalive_interval = kKeepaliveInterval;
  // From the connection's beginning to the proof that the remote holds the keys.
  std::chrono::milliseconds handshake_timeout{10'000};
  // Nothing came, not even a keep-alive.
  std::chrono::milliseconds idle_timeout{30'000};
  // One write, of at most kBlockedWriteMax bytes, was not taken; or the queue was not once below
  // its low mark after it had been full.
  std::chrono::milliseconds slow_reader_timeout{30'000};
  // writable() turns false at this many bytes, or at less when many streams share
  // TransportOptions::queue_bytes_total; true again below a quarter of it.
  std::size_t queue_high_bytes = 1 << 20;
  // A sender that does not heed writable() loses the stream.
  std::size_t queue_bytes_max = 64 << 20;
  std::uint64_t send_bytes_per_second = 0;
  std::uint64_t receive_bytes_per_second = 0;
};

struct TransportOptions {
  PeerStreamOptions peer;
  std::size_t connections_max = 1024;
  std::size_t connections_per_address_max = 32;
  std::uint64_t send_bytes_per_second = 0;
  std::uint64_t receive_bytes_per_second = 0;
  // Shared evenly by the streams there are, but never less than kQueueHighBytesMin each.
  std::size_t queue_bytes_total = 32 << 20;
  // Memory of messages that have come in part, in all; the stream that goes beyond it is closed.
  std::size_t held_bytes_total_max = 64 << 20;
};

inline constexpr std::size_t kQueueHighBytesMin = 128 << 10;
inline constexpr std::size_t kBlockedWriteMax = 256 << 10;
inline constexpr std::size_t kGatherBytesMax = 1 << 20;

struct TransportStatistics {
  std::uint64_t connections = 0;          // now, with those whose handshake is under way
  std::uint64_t connections_opened = 0;   // since the start, handshake done
  std::uint64_t connections_refused = 0;  // by a limit
  std::uint64_t handshakes_failed = 0;
  std::uint64_t slow_readers_cut = 0;
  std::uint64_t idle_cut = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
};

class Transport {
 public:
  // `loop` must outlive the transport.
  Transport(EventLoop& loop, KeyPair identity, TransportOptions options);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  Transport(Transport&&) = delete;
  Transport& operator=(Transport&&) = delete;

  EventLoop& loop() const;
  // The name under which peers know this side.
  const PublicKey& public_key() const;
  TransportStatistics statistics() const;

  // For this folder.
  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  const std::unique_ptr<Impl> impl_;
};

}  // namespace hnx::hyper
