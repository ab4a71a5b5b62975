// Inside of Transport, for this folder.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <unordered_set>

#include "hyper/transport/connection_limits.h"
#include "hyper/transport/event_loop_impl.h"
#include "hyper/transport/transport.h"
#include "hyper/wire/token_bucket.h"

namespace hnx::hyper {

class StreamSocket;

struct Transport::Impl {
  struct Counters {
    std::atomic<std::uint64_t> connections{0};
    std::atomic<std::uint64_t> opened{0};
    std::atomic<std::uint64_t> refused{0};
    std::atomic<std::uint64_t> handshakes_failed{0};
    std::atomic<std::uint64_t> slow_readers_cut{0};
    std::atomic<std::uint64_t> idle_cut{0};
    std::atomic<std::uint64_t> bytes_in{0};
    std::atomic<std::uint64_t> bytes_out{0};
  };

  Impl(EventLoop& loop_in, KeyPair identity_in, TransportOptions options_in);

  // A stream is in the set from its start to its close.
  void Add(StreamSocket& stream);
  void Remove(StreamSocket& stream);
  // At which queue a stream is no longer writable: its own mark, or its share of what all may hold.
  std::size_t QueueHighBytes(const PeerStreamOptions& peer) const;
  // `stream` has bytes to write and there are no tokens left for all: its OnTokens is called in
  // turn.
  void AwaitSendTokens(const std::shared_ptr<StreamSocket>& stream);
  bool others_await_tokens() const { return !token_queue.empty(); }

  void Sweep();
  void CloseAll();
  void ServeTokenQueue();
  void ArmTokenTimer();

  EventLoop& loop;
  const KeyPair identity;
  const TransportOptions options;
  ConnectionLimits limits;
  TokenBucket send_tokens;
  TokenBucket receive_tokens;
  std::size_t held_bytes = 0;
  Counters counters;
  std::unordered_set<StreamSocket*> streams;
  std::deque<std::weak_ptr<StreamSocket>> token_queue;
  EventLoop::TimerId token_timer = EventLoop::TimerId::kNone;
  EventLoop::TimerId sweep_timer = EventLoop::TimerId::kNone;
  std::uint64_t stop_hook = 0;
};

// A bucket holds a quarter of a second's bytes: short bursts pass, the rate holds.
TokenBucket ByteBucket(const Clock& clock, std::uint64_t bytes_per_second);

}  // namespace hnx::hyper
