// StreamSocket: one connected socket in the event loop with its framing, queue, throttles and
// time-outs. Behind every PeerStream. Internal to this folder.
//
// It holds itself from Create until libuv has let go of the handle; whoever else holds it may let
// go at any time after Close.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "hyper/transport/framing.h"
#include "hyper/transport/peer_stream.h"
#include "hyper/transport/transport_impl.h"
#include "hyper/transport/write_queue.h"

namespace hnx::hyper {

class StreamSocket final : public SecretStreamHandler,
                           public EndOfTurn,
                           public std::enable_shared_from_this<StreamSocket> {
 public:
  enum class Kind { kTcp, kUnix };
  struct Setup {
    std::unique_ptr<Framing> framing;
    PeerStreamOptions options;
    std::string limit_key;  // as given to ConnectionLimits::Enter, which was called
    std::string remote_name;
    // Called at most one of the two, once. on_ready must take the stream over: MakePeerStream.
    std::function<void(const std::shared_ptr<StreamSocket>&)> on_ready;
    std::function<void(const Error&)> on_failed;
  };

  static std::shared_ptr<StreamSocket> Create(Transport::Impl& transport, Kind kind);
  ~StreamSocket() override;
  StreamSocket(const StreamSocket&) = delete;
  StreamSocket& operator=(const StreamSocket&) = delete;
  StreamSocket(StreamSocket&&) = delete;
  StreamSocket& operator=(StreamSocket&&) = delete;

  // For uv_accept and uv_tcp_connect, before Start.
  uv_stream_t* uv() { return &handle_.stream; }
  uv_tcp_t* uv_tcp() { return &handle_.tcp; }
  // The socket is connected.
  void Start(Setup setup);

  // Ends the connection and tells the owner.
  void End(const Error& reason);
  // Ends it without telling anybody.
  void Close(const Error& reason);
  bool closed() const { return closed_; }

  // What PeerStream offers.
  void SetListener(PeerStreamListener& listener);
  Framing& framing() { return *framing_; }
  const Framing& framing() const { return *framing_; }
  const std::string& remote_name() const { return remote_name_; }
  bool writable() const;
  std::size_t queued_bytes() const { return queue_.bytes(); }
  void PauseReading();
  void ResumeReading();
  const PeerStreamStatistics& statistics() const { return statistics_; }
  std::span<std::byte> BeginMessage(std::size_t size);
  void CommitMessage();
  void AbandonMessage();

  // Called by the transport.
  void CheckTimes();
  void OnTokens();

 private:
  explicit StreamSocket(Transport::Impl& transport);

  Result<void> OnReady() override;
  Result<void> OnMessage(ByteView message) override;
  void OnEndOfTurn() override;

  void OnRead(std::ptrdiff_t count);
  void CountHeldBytes();
  void ThrottleReading(std::size_t count);
  void UpdateReading();
  void MarkDirty();
  void Flush();
  // Bytes that may be written now; zero: OnTokens will be called.
  std::size_t SendAllowance();
  // False: nothing more can be written now.
  bool WriteSome(std::size_t bytes_max);
  void WriteWhenPossible();
  void OnWritten(int status);
  void CountWritten(std::size_t count);
  void SendKeepalive();

  Transport::Impl& transport_;
  EventLoop& loop_;
  const Clock& clock_;
  uv_any_handle handle_{};
  uv_write_t write_{};
  std::shared_ptr<StreamSocket> self_;  // while libuv knows the handle

  std::unique_ptr<Framing> framing_;
  PeerStreamOptions options_;
  std::string limit_key_;
  std::string remote_name_;
  std::function<void(const std::shared_ptr<StreamSocket>&)> on_ready_;
  std::function<void(const Error&)> on_failed_;
  PeerStreamListener* listener_ = nullptr;
  PeerStreamStatistics statistics_;

  WriteQueue queue_;
  std::span<std::byte> frame_;  // between Begin and Commit
  Bytes discarded_;             // where it lies when the stream is over
  std::size_t in_flight_ = 0;   // bytes of the write that libuv holds; zero: none
  std::optional<TokenBucket> send_tokens_;
  std::optional<TokenBucket> receive_tokens_;
  EventLoop::TimerId send_timer_ = EventLoop::TimerId::kNone;
  EventLoop::TimerId receive_timer_ = EventLoop::TimerId::kNone;

  Clock::SteadyTime started_;
  Clock::SteadyTime last_received_;
  Clock::SteadyTime blocked_since_;  // of the write in flight
  std::optional<Clock::SteadyTime> full_since_;
  std::size_t held_bytes_ = 0;
  bool in_transport_ = false;
  bool was_ready_ = false;
  bool closed_ = false;
  bool dirty_ = false;
  bool full_ = false;  // writable() was false; OnWritable is due
  bool awaits_tokens_ = false;
  bool has_turn_ = false;  // others that await tokens have had theirs
  bool paused_by_owner_ = false;
  bool reading_ = false;
};

// The owner's end of a stream that is ready; its destruction closes it.
std::unique_ptr<PeerStream> MakePeerStream(std::shared_ptr<StreamSocket> socket);

}  // namespace hnx::hyper
