#include "hyper/transport/transport.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "hyper/transport/stream_socket.h"
#include "hyper/transport/transport_impl.h"

namespace hnx::hyper {
namespace {

// How often time-outs and keep-alives are looked after.
constexpr std::chrono::milliseconds kSweepInterval{500};
constexpr std::uint64_t kByteBucketMin = 64 << 10;

}  // namespace

TokenBucket ByteBucket(const Clock& clock, std::uint64_t bytes_per_second) {
  return {clock, std::max(bytes_per_second / 4, kByteBucketMin), bytes_per_second};
}

Transport::Impl::Impl(EventLoop& loop_in, KeyPair identity_in, TransportOptions options_in)
    : loop(loop_in),
      identity(std::move(identity_in)),
      options(options_in),
      limits(options.connections_max, options.connections_per_address_max),
      send_tokens(ByteBucket(loop.clock(), options.send_bytes_per_second)),
      receive_tokens(ByteBucket(loop.clock(), options.receive_bytes_per_second)) {
  stop_hook = loop.impl().AddStopHook([this] { CloseAll(); });
}

void Transport::Impl::Add(StreamSocket& stream) {
  streams.insert(&stream);
  counters.connections = streams.size();
  if (sweep_timer == EventLoop::TimerId::kNone) {
    sweep_timer = loop.After(kSweepInterval, [this] { Sweep(); });
  }
}

void Transport::Impl::Remove(StreamSocket& stream) {
  streams.erase(&stream);
  counters.connections = streams.size();
}

std::size_t Transport::Impl::QueueHighBytes(const PeerStreamOptions& peer) const {
  const std::size_t share = options.queue_bytes_total / std::max<std::size_t>(streams.size(), 1);
  return std::min(peer.queue_high_bytes, std::max(share, kQueueHighBytesMin));
}

void Transport::Impl::AwaitSendTokens(const std::shared_ptr<StreamSocket>& stream) {
  token_queue.push_back(stream);
  ArmTokenTimer();
}

void Transport::Impl::ArmTokenTimer() {
  if (token_timer == EventLoop::TimerId::kNone && !token_queue.empty()) {
    token_timer = loop.After(send_tokens.Wait(), [this] { ServeTokenQueue(); });
  }
}

void Transport::Impl::ServeTokenQueue() {
  token_timer = EventLoop::TimerId::kNone;
  // Each of those that wait now gets its turn before one gets a second.
  for (std::size_t turns = token_queue.size(); turns > 0 && send_tokens.Wait().count() == 0;
       --turns) {
    const std::shared_ptr<StreamSocket> stream = token_queue.front().lock();
    token_queue.pop_front();
    if (stream != nullptr) {
      stream->OnTokens();
    }
  }
  ArmTokenTimer();
}

void Transport::Impl::Sweep() {
  sweep_timer = EventLoop::TimerId::kNone;
  std::vector<std::shared_ptr<StreamSocket>> all;  // they may close one another
  all.reserve(streams.size());
  for (StreamSocket* stream : streams) {
    all.push_back(stream->shared_from_this());
  }
  for (const std::shared_ptr<StreamSocket>& stream : all) {
    stream->CheckTimes();
  }
  if (!streams.empty() && sweep_timer == EventLoop::TimerId::kNone) {
    sweep_timer = loop.After(kSweepInterval, [this] { Sweep(); });
  }
}

void Transport::Impl::CloseAll() {
  while (!streams.empty()) {
    (*streams.begin())->End(Error{ErrorCode::kCancelled, "this side stops"});
  }
}

Transport::Transport(EventLoop& loop, KeyPair identity, TransportOptions options)
    : impl_(std::make_unique<Impl>(loop, std::move(identity), options)) {}

Transport::~Transport() {
  HNX_CHECK(impl_->streams.empty());
  impl_->loop.impl().RemoveStopHook(impl_->stop_hook);
}

EventLoop& Transport::loop() const {
  return impl_->loop;
}

const PublicKey& Transport::public_key() const {
  return impl_->identity.public_key;
}

TransportStatistics Transport::statistics() const {
  const Impl::Counters& counters = impl_->counters;
  TransportStatistics statistics;
  statistics.connections = counters.connections;
  statistics.connections_opened = counters.opened;
  statistics.connections_refused = counters.refused;
  statistics.handshakes_failed = counters.handshakes_failed;
  statistics.slow_readers_cut = counters.slow_readers_cut;
  statistics.idle_cut = counters.idle_cut;
  statistics.bytes_in = counters.bytes_in;
  statistics.bytes_out = counters.bytes_out;
  return statistics;
}

}  // namespace hnx::hyper
