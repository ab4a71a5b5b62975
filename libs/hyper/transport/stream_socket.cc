#include "hyper/transport/stream_socket.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/log.h"

namespace hnx::hyper {
namespace {

// Of one stream before the others get their turn.
constexpr std::size_t kWrittenPerTurnMax = 4 << 20;
// With a throttle, bytes go out in pieces of this size, so that streams take turns.
constexpr std::size_t kThrottledWriteMax = 64 << 10;
constexpr std::size_t kGatherPiecesMax = 64;

std::string UvError(std::string_view operation, std::ptrdiff_t status) {
  return std::string(operation) + ": " + uv_strerror(static_cast<int>(status));
}

StreamSocket& Of(const uv_handle_t* handle) {
  return *static_cast<StreamSocket*>(handle->data);
}

}  // namespace

std::shared_ptr<StreamSocket> StreamSocket::Create(Transport::Impl& transport, Kind kind) {
  std::shared_ptr<StreamSocket> socket(new StreamSocket(transport));
  uv_loop_t* const loop = &socket->loop_.impl().loop;
  if (kind == Kind::kTcp) {
    HNX_CHECK(uv_tcp_init(loop, &socket->handle_.tcp) == 0);
  } else {
    HNX_CHECK(uv_pipe_init(loop, &socket->handle_.pipe, 0) == 0);
  }
  socket->handle_.handle.data = socket.get();
  socket->self_ = socket;
  return socket;
}

StreamSocket::StreamSocket(Transport::Impl& transport)
    : transport_(transport),
      loop_(transport.loop),
      clock_(transport.loop.clock()),
      started_(clock_.Steady()),
      last_received_(started_),
      blocked_since_(started_) {}

StreamSocket::~StreamSocket() = default;

void StreamSocket::Start(Setup setup) {
  framing_ = std::move(setup.framing);
  options_ = setup.options;
  limit_key_ = std::move(setup.limit_key);
  remote_name_ = std::move(setup.remote_name);
  on_ready_ = std::move(setup.on_ready);
  on_failed_ = std::move(setup.on_failed);
  if (options_.send_bytes_per_second > 0) {
    send_tokens_ = ByteBucket(clock_, options_.send_bytes_per_second);
  }
  if (options_.receive_bytes_per_second > 0) {
    receive_tokens_ = ByteBucket(clock_, options_.receive_bytes_per_second);
  }
  started_ = clock_.Steady();
  last_received_ = started_;
  in_transport_ = true;
  transport_.Add(*this);
  if (handle_.handle.type == UV_TCP) {
    (void)uv_tcp_nodelay(&handle_.tcp, 1);  // writes are gathered here
  }
  queue_.Append(framing_->TakeOutput());
  MarkDirty();
  UpdateReading();
}

// --- the end ------------------------------------------------------------------------------------

void StreamSocket::End(const Error& reason) {
  if (closed_) {
    return;
  }
  const std::shared_ptr<StreamSocket> keep = shared_from_this();
  PeerStreamListener* const listener = std::exchange(listener_, nullptr);
  const auto on_failed = std::exchange(on_failed_, nullptr);
  Close(reason);
  if (listener != nullptr) {
    listener->OnClosed(reason);
  } else if (on_failed) {
    on_failed(reason);
  }
}

void StreamSocket::Close(const Error& reason) {
  if (closed_) {
    return;
  }
  HNX_CHECK(loop_.impl().MayTouch());  // streams are let go on their loop's thread
  const std::shared_ptr<StreamSocket> keep = shared_from_this();
  closed_ = true;
  if (in_transport_) {
    Log("peers")->debug("{}: closed: {}", remote_name_, reason.ToString());
  }
  if (was_ready_ && in_flight_ == 0 && !awaits_tokens_) {
    (void)WriteSome(kGatherBytesMax);  // what says goodbye, if it can be had for nothing
  }
  listener_ = nullptr;
  on_ready_ = nullptr;
  on_failed_ = nullptr;
  loop_.Cancel(send_timer_);
  loop_.Cancel(receive_timer_);
  transport_.held_bytes -= std::exchange(held_bytes_, 0);
  if (in_transport_) {
    in_transport_ = false;
    transport_.limits.Leave(limit_key_);
    if (!was_ready_) {
      ++transport_.counters.handshakes_failed;
    }
    transport_.Remove(*this);
  }
  uv_close(&handle_.handle, [](uv_handle_t* handle) {
    StreamSocket& socket = Of(handle);
    socket.queue_ = WriteQueue();
    socket.self_.reset();
  });
}

// --- in -----------------------------------------------------------------------------------------

void StreamSocket::UpdateReading() {
  const bool wanted = !closed_ && !paused_by_owner_ && receive_timer_ == EventLoop::TimerId::kNone;
  if (wanted == reading_) {
    return;
  }
  reading_ = wanted;
  if (!wanted) {
    uv_read_stop(uv());
    return;
  }
  last_received_ = clock_.Steady();
  const int status = uv_read_start(
      uv(),
      [](uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
        std::byte* const memory = Of(handle).loop_.impl().read_buffer.get();
        *buffer = uv_buf_init(reinterpret_cast<char*>(memory), kReadBufferSize);
      },
      [](uv_stream_t* stream, ssize_t count, const uv_buf_t*) {
        Of(reinterpret_cast<uv_handle_t*>(stream)).OnRead(count);
      });
  HNX_CHECK(status == 0);
}

void StreamSocket::OnRead(std::ptrdiff_t count) {
  if (count == 0 || closed_) {
    return;
  }
  const std::shared_ptr<StreamSocket> keep = shared_from_this();
  if (count < 0) {
    const Result<void> clean = framing_->ReceiveEnd();
    if (count != UV_EOF) {
      End(Unavailable(UvError("read", count)));
    } else {
      End(clean ? Unavailable("the peer ended the connection") : clean.error());
    }
    return;
  }
  const auto size = static_cast<std::size_t>(count);
  last_received_ = clock_.Steady();
  statistics_.bytes_in += size;
  transport_.counters.bytes_in += size;
  const Result<void> received =
      framing_->Receive(std::span(loop_.impl().read_buffer.get(), size), *this);
  if (closed_) {
    return;
  }
  if (!received) {
    End(received.error());
    return;
  }
  if (const Bytes output = framing_->TakeOutput(); !output.empty()) {
    queue_.Append(output);
    MarkDirty();
  }
  CountHeldBytes();
  if (!closed_) {
    ThrottleReading(size);
  }
}

void StreamSocket::CountHeldBytes() {
  const std::size_t held = framing_->held_bytes();
  transport_.held_bytes += held;
  transport_.held_bytes -= std::exchange(held_bytes_, held);
  if (transport_.held_bytes > transport_.options.held_bytes_total_max) {
    End(ResourceExhausted("unfinished messages of all peers take more than " +
                          std::to_string(transport_.options.held_bytes_total_max) + " bytes"));
  }
}

Result<void> StreamSocket::OnReady() {
  was_ready_ = true;
  queue_.Append(framing_->TakeOutput());
  MarkDirty();
  if (const std::string name = framing_->remote_name(); !name.empty()) {
    remote_name_ = name;
  }
  ++transport_.counters.opened;
  on_failed_ = nullptr;
  std::exchange(on_ready_, nullptr)(shared_from_this());
  HNX_CHECK(closed_ || listener_ != nullptr);  // SetListener was forgotten
  return closed_ ? Result<void>(Error{ErrorCode::kCancelled, "closed"}) : Result<void>();
}

Result<void> StreamSocket::OnMessage(ByteView message) {
  ++statistics_.messages_in;
  listener_->OnMessage(message);
  return closed_ ? Result<void>(Error{ErrorCode::kCancelled, "closed"}) : Result<void>();
}

void StreamSocket::SetListener(PeerStreamListener& listener) {
  HNX_CHECK(listener_ == nullptr);
  listener_ = closed_ ? nullptr : &listener;
}

void StreamSocket::PauseReading() {
  paused_by_owner_ = true;
  UpdateReading();
}

void StreamSocket::ResumeReading() {
  paused_by_owner_ = false;
  UpdateReading();
}

// --- out ----------------------------------------------------------------------------------------

bool StreamSocket::writable() const {
  return !closed_ && queue_.bytes() < transport_.QueueHighBytes(options_);
}

std::span<std::byte> StreamSocket::BeginMessage(std::size_t size) {
  HNX_CHECK(was_ready_ && frame_.empty() && size >= 1 && size <= kMessageSizeMax);
  const std::size_t frame_size = size + framing_->overhead();
  if (closed_) {
    discarded_.resize(frame_size);
    frame_ = discarded_;
  } else {
    frame_ = queue_.Reserve(frame_size);
  }
  return frame_.subspan(framing_->message_offset(), size);
}

void StreamSocket::CommitMessage() {
  HNX_CHECK(!frame_.empty());
  const std::span<std::byte> frame = std::exchange(frame_, {});
  if (closed_) {
    discarded_ = Bytes();
    return;
  }
  framing_->Seal(frame);
  queue_.Commit();
  ++statistics_.messages_out;
  if (!full_ && !writable()) {
    full_ = true;
    full_since_ = clock_.Steady();
  }
  MarkDirty();
}

void StreamSocket::AbandonMessage() {
  HNX_CHECK(!frame_.empty());
  frame_ = {};
  discarded_ = Bytes();
  if (!closed_) {
    queue_.Abandon();
  }
}

void StreamSocket::MarkDirty() {
  if (!dirty_ && !closed_) {
    dirty_ = true;
    loop_.impl().AddEndOfTurn(shared_from_this());
  }
}

void StreamSocket::OnEndOfTurn() {
  dirty_ = false;
  if (!closed_) {
    Flush();
  }
}

void StreamSocket::Flush() {
  const std::shared_ptr<StreamSocket> keep = shared_from_this();
  if (queue_.bytes() > options_.queue_bytes_max) {
    End(ResourceExhausted("more than " + std::to_string(options_.queue_bytes_max) +
                          " bytes were queued for the peer"));
    return;
  }
  std::size_t written = 0;
  while (!closed_ && !queue_.empty() && in_flight_ == 0) {
    if (written >= kWrittenPerTurnMax) {
      MarkDirty();
      break;
    }
    const std::size_t allowed = SendAllowance();
    if (allowed == 0) {
      break;
    }
    const std::size_t before = queue_.bytes();
    if (!WriteSome(allowed)) {
      break;
    }
    written += before - queue_.bytes();
  }
  if (!closed_ && full_ && queue_.bytes() < transport_.QueueHighBytes(options_) / 4) {
    full_ = false;
    full_since_.reset();
    listener_->OnWritable();
  }
}

bool StreamSocket::WriteSome(std::size_t bytes_max) {
  std::array<ByteView, kGatherPiecesMax> pieces;
  std::array<uv_buf_t, kGatherPiecesMax> buffers{};
  const std::size_t count = queue_.Gather(pieces, bytes_max);
  if (count == 0) {
    return false;
  }
  for (std::size_t i = 0; i < count; ++i) {
    // libuv's buffers are not const, but it only reads them here.
    auto* const data = const_cast<std::byte*>(pieces[i].data());
    buffers[i] =
        uv_buf_init(reinterpret_cast<char*>(data), static_cast<unsigned>(pieces[i].size()));
  }
  const int status = uv_try_write(uv(), buffers.data(), static_cast<unsigned>(count));
  if (status >= 0) {
    CountWritten(static_cast<std::size_t>(status));
    return true;
  }
  if (closed_) {
    return false;
  }
  if (status == UV_EAGAIN) {
    WriteWhenPossible();
  } else {
    End(Unavailable(UvError("write", status)));
  }
  return false;
}

void StreamSocket::WriteWhenPossible() {
  std::array<ByteView, kGatherPiecesMax> pieces;
  std::array<uv_buf_t, kGatherPiecesMax> buffers{};
  const std::size_t count = queue_.Gather(pieces, kBlockedWriteMax);
  in_flight_ = 0;
  for (std::size_t i = 0; i < count; ++i) {
    auto* const data = const_cast<std::byte*>(pieces[i].data());
    buffers[i] =
        uv_buf_init(reinterpret_cast<char*>(data), static_cast<unsigned>(pieces[i].size()));
    in_flight_ += pieces[i].size();
  }
  blocked_since_ = clock_.Steady();
  write_.data = this;
  const int status = uv_write(&write_, uv(), buffers.data(), static_cast<unsigned>(count),
                              [](uv_write_t* write, int result) {
                                static_cast<StreamSocket*>(write->data)->OnWritten(result);
                              });
  HNX_CHECK(status == 0);
}

void StreamSocket::OnWritten(int status) {
  const std::size_t count = std::exchange(in_flight_, 0);
  if (closed_) {
    return;
  }
  if (status != 0) {
    End(Unavailable(UvError("write", status)));
    return;
  }
  CountWritten(count);
  Flush();
}

void StreamSocket::CountWritten(std::size_t count) {
  queue_.Consume(count);
  statistics_.bytes_out += count;
  transport_.counters.bytes_out += count;
  transport_.send_tokens.Take(count);
  if (send_tokens_) {
    send_tokens_->Take(count);
  }
}

// --- throttles ----------------------------------------------------------------------------------

std::size_t StreamSocket::SendAllowance() {
  if (!send_tokens_ && !transport_.send_tokens.limited()) {
    return kGatherBytesMax;
  }
  if (awaits_tokens_) {
    return 0;
  }
  const std::chrono::milliseconds own_wait =
      send_tokens_ ? send_tokens_->Wait() : std::chrono::milliseconds(0);
  if (own_wait.count() > 0) {
    awaits_tokens_ = true;
    send_timer_ = loop_.After(own_wait, [this] {
      send_timer_ = EventLoop::TimerId::kNone;
      awaits_tokens_ = false;
      Flush();
    });
    return 0;
  }
  const bool others_first = !std::exchange(has_turn_, false) && transport_.others_await_tokens();
  if (others_first || transport_.send_tokens.Wait().count() > 0) {
    awaits_tokens_ = true;
    transport_.AwaitSendTokens(shared_from_this());
    return 0;
  }
  return kThrottledWriteMax;
}

void StreamSocket::OnTokens() {
  awaits_tokens_ = false;
  if (!closed_) {
    has_turn_ = true;
    Flush();
    has_turn_ = false;
  }
}

void StreamSocket::ThrottleReading(std::size_t count) {
  transport_.receive_tokens.Take(count);
  std::chrono::milliseconds wait = transport_.receive_tokens.Wait();
  if (receive_tokens_) {
    receive_tokens_->Take(count);
    wait = std::max(wait, receive_tokens_->Wait());
  }
  if (wait.count() > 0) {
    receive_timer_ = loop_.After(wait, [this] {
      receive_timer_ = EventLoop::TimerId::kNone;
      UpdateReading();
    });
    UpdateReading();
  }
}

// --- time ---------------------------------------------------------------------------------------

void StreamSocket::CheckTimes() {
  if (closed_) {
    return;
  }
  const Clock::SteadyTime now = clock_.Steady();
  if (full_since_ && awaits_tokens_) {
    full_since_ = now;  // not the peer's fault
  }
  const auto passed = [&](Clock::SteadyTime since, std::chrono::milliseconds limit) {
    return limit.count() > 0 && now - since >= limit;
  };
  if (!framing_->established() && passed(started_, options_.handshake_timeout)) {
    End(Error{ErrorCode::kDeadlineExceeded, "the peer did not finish the handshake in time"});
  } else if (reading_ && framing_->remote_keeps_alive() &&
             passed(last_received_, options_.idle_timeout)) {
    ++transport_.counters.idle_cut;
    End(Error{ErrorCode::kDeadlineExceeded, "nothing was heard of the peer for too long"});
  } else if ((in_flight_ > 0 && passed(blocked_since_, options_.slow_reader_timeout)) ||
             (full_since_ && passed(*full_since_, options_.slow_reader_timeout))) {
    ++transport_.counters.slow_readers_cut;
    End(Error{ErrorCode::kDeadlineExceeded, "the peer reads too slowly"});
  } else if (const auto due = framing_->keepalive_due(); due && *due <= now) {
    SendKeepalive();
  }
}

void StreamSocket::SendKeepalive() {
  HNX_CHECK(frame_.empty());
  const std::span<std::byte> frame = queue_.Reserve(framing_->overhead());
  framing_->Seal(frame);
  queue_.Commit();
  MarkDirty();
}

// --- the owner's end ----------------------------------------------------------------------------

namespace {

class SocketPeerStream final : public PeerStream {
 public:
  explicit SocketPeerStream(std::shared_ptr<StreamSocket> socket) : socket_(std::move(socket)) {}
  ~SocketPeerStream() override { socket_->Close(Error{ErrorCode::kCancelled, "let go"}); }
  SocketPeerStream(const SocketPeerStream&) = delete;
  SocketPeerStream& operator=(const SocketPeerStream&) = delete;
  SocketPeerStream(SocketPeerStream&&) = delete;
  SocketPeerStream& operator=(SocketPeerStream&&) = delete;

  void SetListener(PeerStreamListener& listener) override { socket_->SetListener(listener); }
  const std::string& remote_name() const override { return socket_->remote_name(); }
  bool writable() const override { return socket_->writable(); }
  std::size_t queued_bytes() const override { return socket_->queued_bytes(); }
  void PauseReading() override { socket_->PauseReading(); }
  void ResumeReading() override { socket_->ResumeReading(); }
  PeerStreamStatistics statistics() const override { return socket_->statistics(); }
  void Close(const Error& reason) override { socket_->Close(reason); }
  bool closed() const override { return socket_->closed(); }
  bool is_initiator() const override { return socket_->framing().is_initiator(); }
  const HandshakeHash& handshake_hash() const override {
    return socket_->framing().handshake_hash();
  }
  const PublicKey& remote_public_key() const override {
    return socket_->framing().remote_public_key();
  }
  std::span<std::byte> BeginMessage(std::size_t size) override {
    return socket_->BeginMessage(size);
  }
  void CommitMessage() override { socket_->CommitMessage(); }
  void AbandonMessage() override { socket_->AbandonMessage(); }

 private:
  const std::shared_ptr<StreamSocket> socket_;
};

}  // namespace

std::unique_ptr<PeerStream> MakePeerStream(std::shared_ptr<StreamSocket> socket) {
  return std::make_unique<SocketPeerStream>(std::move(socket));
}

}  // namespace hnx::hyper
