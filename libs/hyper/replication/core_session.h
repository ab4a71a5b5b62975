// CoreSession: one core on one stream: the channel `hypercore/alpha` of a discovery key
// (docs/formats/hypercore-wire.md, "The exchange"). It
//
//  - checks that the remote knows the core key, before anything is told;
//  - announces our head and blocks, and acknowledges each length that the remote announces;
//  - queues the remote's requests and answers them one at a time, when its owner says so (the
//    stream is writable), those with a priority first;
//  - keeps what the remote has, and hands on what the remote answers to our requests;
//  - closes the channel when neither side wants anything.
//
// What a hostile remote can make it hold or do is limited by the constants below; a breach is an
// error that ends the stream.
//
// Threads: that of its stream.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "hyper/replication/core_messages.h"
#include "hyper/replication/remote_blocks.h"
#include "hyper/replication/served_core.h"
#include "hyper/transport/peer_stream.h"
#include "hyper/wire/protomux.h"

namespace hnx::hyper {

// Requests of one remote for one core that wait for an answer. JavaScript has at most 512 in
// flight.
inline constexpr std::size_t kPendingRequestsMax = 1024;
// Requests that no honest peer makes, then the stream ends. JavaScript servers do the same.
inline constexpr std::size_t kInvalidRequestsMax = 64;
// Unasked proofs of a conflict that are looked at; each costs a signature's check.
inline constexpr std::size_t kConflictClaimsMax = 8;
// Wants that wait for an answer, and wants that are remembered: with more, everything is announced.
inline constexpr std::size_t kPendingWantsMax = 512;
inline constexpr std::size_t kRemoteWantsMax = 512;
// Wants that we have at one remote.
inline constexpr std::size_t kOwnWantsMax = 512;
// New blocks so near the end are announced to everybody, wanted or not.
inline constexpr std::uint64_t kAlwaysAnnouncedBlocks = 256;

// What the remote said last.
struct RemoteState {
  bool synced = false;
  bool seeks = false;
  SyncMessage sync;
};

struct CoreSessionStatistics {
  std::uint64_t blocks_up = 0;
  std::uint64_t bytes_up = 0;  // of blocks
  std::uint64_t blocks_down = 0;
  std::uint64_t bytes_down = 0;
  std::uint64_t requests_in = 0;
  std::uint64_t refused = 0;  // answered with noData
};

class CoreSession;

// What becomes of a session; usually a Downloader and the Replicator. Called from within messages.
class CoreSessionEvents {
 public:
  virtual ~CoreSessionEvents() = default;
  // Whether this side asks for anything: part of the next sync.
  virtual bool downloading() const = 0;
  // The remote proved that it knows the key.
  virtual void OnOpened(CoreSession& session) = 0;
  // Its head or its blocks changed.
  virtual void OnRemoteChanged(CoreSession& session) = 0;
  // An answer. An error ends the stream.
  virtual Result<void> OnData(CoreSession& session, const DataMessage& data) = 0;
  virtual Result<void> OnNoData(CoreSession& session, const NoDataMessage& no_data) = 0;
  // The channel is closed. The session lives until its owner collects it.
  virtual void OnGone(CoreSession& session) = 0;
};

class CoreSession final : public ChannelHandler {
 public:
  // Opens the channel. All must outlive the session. An error ends the stream, unless it is
  // kAlreadyExists or kResourceExhausted.
  struct Links {
    ServedCore& core;
    Protomux& mux;
    CoreSessionEvents& events;
    PeerStream& stream;
    std::uint64_t stream_id = 0;  // its owner's name for the stream
  };
  explicit CoreSession(const Links& links);
  ~CoreSession() override;
  CoreSession(const CoreSession&) = delete;
  CoreSession& operator=(const CoreSession&) = delete;
  CoreSession(CoreSession&&) = delete;
  CoreSession& operator=(CoreSession&&) = delete;

  Result<void> Open();

  ServedCore& core() const { return core_; }
  const PeerStream& stream() const { return stream_; }
  std::uint64_t stream_id() const { return stream_id_; }
  // Both sides have opened and the remote knows the key.
  bool opened() const { return opened_; }
  bool closed() const { return gone_; }
  const RemoteState& remote() const { return remote_; }
  RemoteBlocks& remote_blocks() { return remote_blocks_; }
  const CoreSessionStatistics& statistics() const { return statistics_; }
  // The remote's tree can be proven from ours: it may be asked for blocks below its length.
  bool can_upgrade_remote() const { return can_upgrade_; }
  // What we last told: our length, and the remote's acknowledgement of it.
  bool length_acknowledged() const;

  // -- What our side tells

  // Head, manifest or `downloading` may have changed.
  void Announce();
  // Blocks were stored (and are durable), or dropped. Call Announce before, when the head grew.
  void AnnounceBlocks(BlockRange blocks, bool drop);

  // -- What our side asks

  // Many requests travel together between Cork and Uncork.
  void Cork() { mux_.Cork(); }
  void Uncork() { mux_.Uncork(); }
  void SendRequest(const RequestMessage& request);
  void SendCancel(std::uint64_t request);
  // Asks for the bits around a block, once.
  void WantAround(BlockIndex block);

  // -- Answering

  bool has_work() const { return !urgent_.empty() || !normal_.empty() || !wants_pending_.empty(); }
  std::size_t pending_requests() const { return urgent_.size() + normal_.size(); }
  // One request or one want. An error ends the stream.
  Result<void> AnswerOne();

  // Whether another unasked proof of a conflict of this remote is worth a look.
  bool TakeConflictClaim() { return ++conflict_claims_ <= kConflictClaimsMax; }

  // Closes the channel; OnGone is called.
  void Close();

  Result<void> OnOpen(Channel& channel, ByteView remote_handshake) override;
  Result<void> OnMessage(Channel& channel, std::uint64_t type, ByteView payload) override;
  void OnClosed(Channel& channel, ChannelEnd end) override;

 private:
  struct Want {
    std::uint64_t start = 0;
    std::uint64_t length = 0;
    friend bool operator==(const Want&, const Want&) = default;
  };

  template <class Message>
  void Send(CoreMessageType type, const Message& message);
  void SendSync();
  void SendRange(std::uint64_t start, std::uint64_t length, bool drop);
  void SendNoData(std::uint64_t request, NoDataReason reason);
  void UpdateCanUpgrade();
  bool RemoteWants(BlockRange blocks) const;

  Result<void> OnSync(ByteView payload);
  Result<void> OnRequest(ByteView payload);
  Result<void> OnCancel(ByteView payload);
  Result<void> OnWant(ByteView payload);
  Result<void> OnUnwant(ByteView payload);
  Result<void> OnBitfield(ByteView payload);
  Result<void> OnRange(ByteView payload);

  void Forget(std::uint64_t request);
  Result<void> Answer(const RequestMessage& request);
  Result<void> AnswerWant(const WantMessage& want);
  Result<void> SendBits(std::uint64_t start, std::uint64_t end);

  ServedCore& core_;
  Protomux& mux_;
  CoreSessionEvents& events_;
  PeerStream& stream_;
  const std::uint64_t stream_id_;
  Channel* channel_ = nullptr;
  bool opened_ = false;
  bool gone_ = false;

  RemoteState remote_;
  RemoteBlocks remote_blocks_;
  std::optional<SyncMessage> told_;  // our last sync
  bool can_upgrade_ = true;
  std::optional<std::pair<std::uint64_t, std::uint64_t>> can_upgrade_for_;  // remote's, our length
  std::uint64_t told_contiguous_ = 0;

  std::deque<RequestMessage> urgent_;
  std::deque<RequestMessage> normal_;
  std::deque<WantMessage> wants_pending_;
  std::vector<Want> remote_wants_;
  bool remote_wants_all_ = false;
  std::vector<std::uint64_t> own_wants_;  // by batch number
  std::size_t invalid_requests_ = 0;
  std::size_t conflict_claims_ = 0;
  CoreSessionStatistics statistics_;
};

}  // namespace hnx::hyper
