// Protomux: many channels on one stream of messages (docs/formats/protomux.md). Sans-I/O: Receive
// takes each message that came, what goes out is written to a MessageSink.
//
// A channel is named by (protocol, id) and is open when both sides have sent an open for that name;
// each side numbers its own channels. Messages may be sent as soon as one's own open is sent. At
// most one channel a name.
//
// Everything the remote can make this side hold or do is limited by the constants below. A breach
// is an error of Receive: the owner closes the stream with it, nothing of it is used afterwards.
//
// One thread. Handlers are called from within Receive, OpenChannel and End, and may call back:
// open, close and send, also on the channel that they are called for.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "hyper/wire/message_sink.h"
#include "hyper/wire/token_bucket.h"

namespace hnx::hyper {

// Channels that the remote holds open or waits for, and as many of our own.
inline constexpr std::size_t kProtomuxChannelsMax = 4096;
// Bytes of all messages and handshakes that wait for channels which are not open here yet; each
// message counts kProtomuxBufferedOverhead on top.
inline constexpr std::size_t kProtomuxBufferedBytesMax = 1 << 20;
inline constexpr std::size_t kProtomuxBufferedOverhead = 512;
// Items of one batch. A batch within a batch is refused.
inline constexpr std::size_t kProtomuxBatchItemsMax = 1 << 16;
inline constexpr std::size_t kProtomuxProtocolSizeMax = 256;
inline constexpr std::size_t kProtomuxIdSizeMax = 256;
inline constexpr std::size_t kProtomuxHandshakeSizeMax = 4096;
// Opens that the remote sends, and those among them that nobody here wants: at once, and per
// second.
inline constexpr std::uint64_t kProtomuxOpensBurst = 4096;
inline constexpr std::uint64_t kProtomuxOpensPerSecond = 256;
inline constexpr std::uint64_t kProtomuxRejectsBurst = 2048;
inline constexpr std::uint64_t kProtomuxRejectsPerSecond = 32;
// A batch of ours is sent when it reaches this; messages that are longer than the second are never
// put into one, but straight into the sink.
inline constexpr std::size_t kProtomuxSendBatchBytes = 64 << 10;
inline constexpr std::size_t kProtomuxSendBatchItemMax = 4 << 10;

struct ChannelName {
  std::string protocol;
  Bytes id;  // empty: none

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 misreads a defaulted <=>
  friend auto operator<=>(const ChannelName&, const ChannelName&) = default;
};

// For logs: "hypercore/alpha 5f3a..."
std::string ToText(const ChannelName& name);

enum class ChannelEnd {
  kClosedByRemote,
  kRejected,     // the remote does not want this channel
  kStreamEnded,  // Protomux::End, or a breach of the rules
};

class Channel;
class Protomux;
class SendBatch;

class ChannelHandler {
 public:
  virtual ~ChannelHandler() = default;
  // Both sides have opened. An error ends the whole stream.
  virtual Result<void> OnOpen(Channel& channel, ByteView remote_handshake) = 0;
  // Types that the handler does not know are to be ignored. An error ends the whole stream.
  // `payload` is valid during the call.
  virtual Result<void> OnMessage(Channel& channel, std::uint64_t type, ByteView payload) = 0;
  // The last call. The channel is gone when it returns. Not called after the own Channel::Close.
  virtual void OnClosed(Channel& channel, ChannelEnd end) = 0;
};

enum class PairAnswer {
  kReject,  // unless OpenChannel was called for the name: nobody wants it
  kLater,   // OpenChannel or RejectPending will be called for the name
};

class PairHandler {
 public:
  virtual ~PairHandler() = default;
  // The remote opened a channel that does not exist here. To accept it, call OpenChannel with the
  // name, at once or, with kLater, at any time; messages are kept meanwhile.
  virtual PairAnswer OnRemoteOpen(Protomux& mux, const ChannelName& name) = 0;
};

// Owned by its Protomux; valid until OnClosed returned, Close was called or the Protomux is gone.
class Channel {
 public:
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  Channel(Channel&&) = delete;
  Channel& operator=(Channel&&) = delete;
  ~Channel();

  const ChannelName& name() const { return name_; }
  // The remote has opened as well.
  bool open() const { return open_; }
  Protomux& mux() const { return mux_; }

  void Send(std::uint64_t type, ByteView payload);
  // Room for a payload of exactly `payload_size` bytes in the write buffer (message_sink.h).
  std::span<std::byte> BeginSend(std::uint64_t type, std::size_t payload_size);
  void CommitSend();
  void AbandonSend();

  // Tells the remote; no handler is called any more.
  void Close();

 private:
  friend class Protomux;
  Channel(Protomux& mux, ChannelName name, ChannelHandler& handler, std::uint64_t local_id);

  Protomux& mux_;
  const ChannelName name_;
  ChannelHandler* handler_;
  const std::uint64_t local_id_;
  std::uint64_t remote_id_ = 0;  // 0: not known yet
  bool open_ = false;
  bool closed_ = false;
};

class Protomux {
 public:
  // All must outlive the Protomux. `pair` may be null: every remote open without a channel here is
  // rejected.
  Protomux(MessageSink& sink, const Clock& clock, PairHandler* pair);
  ~Protomux();
  Protomux(const Protomux&) = delete;
  Protomux& operator=(const Protomux&) = delete;
  Protomux(Protomux&&) = delete;
  Protomux& operator=(Protomux&&) = delete;

  // A remote open for `alias` is taken for `protocol`.
  void AddAlias(std::string alias, std::string protocol);

  // Opens our side. When the remote's open is already here, OnOpen and the messages that waited are
  // delivered before this returns. kAlreadyExists: there is a channel of that name;
  // kResourceExhausted: too many channels; kFailedPrecondition: the stream is over. Any other error
  // is one of the handler's: then failure() is set and the stream must be closed.
  Result<Channel*> OpenChannel(ChannelName name, ByteView handshake, ChannelHandler& handler);
  // The second answer after PairAnswer::kLater. Nothing happens when the remote closed meanwhile.
  // An error (too many rejects) must end the stream.
  Result<void> RejectPending(const ChannelName& name);
  // Our channel of that name, open or not; null: none.
  Channel* Find(const ChannelName& name) const;

  // One message from the stream; empty ones are keep-alives. An error ends the stream.
  Result<void> Receive(ByteView message);

  // Between Cork and the matching Uncork, small messages are gathered and sent as batches.
  void Cork();
  void Uncork();

  // The stream is over: OnClosed(kStreamEnded) for each channel. Idempotent.
  void End();

  // Why the stream must be closed, once a rule was broken.
  const std::optional<Error>& failure() const { return failure_; }
  std::size_t channel_count() const { return channel_count_; }

 private:
  friend class Channel;

  struct BufferedMessage {
    std::uint64_t type = 0;
    Bytes payload;
  };
  // What a remote id stands for.
  struct Remote {
    Channel* channel = nullptr;  // null: waits for OpenChannel or a reject
    ChannelName name;
    Bytes handshake;
    std::vector<BufferedMessage> messages;
    std::size_t buffered_bytes = 0;
  };
  // Our ids; an id is free when the remote has answered its open and the channel is closed.
  struct Local {
    std::unique_ptr<Channel> channel;  // null: closed, or free
    ChannelName name;
    bool awaits_answer = false;  // the remote has sent neither open nor reject
  };
  struct Name {
    Channel* channel = nullptr;
    std::vector<std::uint64_t> outgoing;  // our ids whose opens are unanswered, oldest first
    std::uint64_t incoming = 0;           // the remote id that waits for us; 0: none
  };
  using Names = std::map<ChannelName, Name>;

  Result<void> Dispatch(std::uint64_t remote_id, ByteView rest, bool in_batch);
  Result<void> OnControl(std::uint64_t type, ByteView payload, bool in_batch);
  Result<void> OnBatch(ByteView payload);
  Result<void> OnOpenMessage(ByteView payload);
  Result<void> OnRejectMessage(ByteView payload);
  Result<void> OnCloseMessage(ByteView payload);
  Result<void> Buffer(Remote& remote, std::uint64_t type, ByteView payload);
  Result<void> CountBuffered(Remote& remote, std::size_t size);
  // The remote's open for a channel of ours.
  Result<void> AnswerOwnOpen(Names::iterator name, std::uint64_t remote_id, ByteView handshake);
  Result<void> Pair(std::uint64_t remote_id);
  Result<void> FinishOpen(Channel& channel, std::uint64_t remote_id);
  Result<void> Reject(std::uint64_t remote_id);
  Result<void> SendReject(std::uint64_t remote_id);
  Remote* FindRemote(std::uint64_t remote_id);
  void FreeRemote(std::uint64_t remote_id);
  std::uint64_t TakeLocalId();
  void FreeLocalId(std::uint64_t local_id);
  // Takes the channel out of the tables; it is destroyed when no handler runs.
  void Remove(Channel& channel);
  void CloseByRemote(Channel& channel, ChannelEnd end);
  void ForgetNameIfUnused(Names::iterator name);
  void CollectGarbage();
  Error Fail(Error error);

  void SendControl(std::uint64_t type, ByteView payload);

  const std::unique_ptr<SendBatch> sender_;
  PairHandler* const pair_;
  TokenBucket opens_;
  TokenBucket rejects_;
  std::map<std::string, std::string> aliases_;
  Names names_;
  std::vector<std::unique_ptr<Remote>> remotes_;  // by remote id - 1; null: free
  std::vector<Local> locals_;                     // by local id - 1
  std::vector<std::uint64_t> free_locals_;
  std::vector<std::unique_ptr<Channel>> garbage_;
  std::size_t channel_count_ = 0;
  std::size_t buffered_bytes_ = 0;
  int depth_ = 0;  // of handler calls
  std::optional<Error> failure_;
  bool ended_ = false;
};

}  // namespace hnx::hyper
