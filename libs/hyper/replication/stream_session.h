// StreamSession: one peer's stream with its channels: opens and accepts cores, and answers what is
// asked on all of them in turn, as long as the stream takes it.
//
// Threads: that of its stream.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "hyper/replication/core_hub.h"
#include "hyper/transport/peer_stream.h"
#include "hyper/wire/protomux.h"

namespace hnx::hyper {

// Cores that are open on one stream.
inline constexpr std::size_t kCoresPerStreamMax = 1024;
// Requests of one remote for all cores that wait for an answer.
inline constexpr std::size_t kPendingRequestsPerStreamMax = 8192;
// Answers given in one turn of the loop, so that one peer does not keep others waiting.
inline constexpr std::size_t kAnswersPerTurnMax = 256;

class StreamSession;

class StreamSessionOwner {
 public:
  virtual ~StreamSessionOwner() = default;
  // Every call from outside stands between these; sessions are destroyed after the last LeaveTurn
  // only.
  virtual void EnterTurn() = 0;
  virtual void LeaveTurn() = 0;
  // The core of a discovery key, for a remote that asks for it; null: unknown here, or not served.
  virtual CoreHub* FindCore(const DiscoveryKey& key) = 0;
  // The stream has ended; it may be destroyed when the turn is over.
  virtual void OnStreamEnded(StreamSession& session, const Error& reason) = 0;
  // There is more to answer than fits into a turn.
  virtual void OnMoreWork() = 0;
};

class StreamSession final : public PeerStreamListener, public PairHandler {
 public:
  // `owner` and `clock` must outlive it.
  StreamSession(std::uint64_t id, std::unique_ptr<PeerStream> stream, StreamSessionOwner& owner,
                const Clock& clock);
  ~StreamSession() override;
  StreamSession(const StreamSession&) = delete;
  StreamSession& operator=(const StreamSession&) = delete;
  StreamSession(StreamSession&&) = delete;
  StreamSession& operator=(StreamSession&&) = delete;

  std::uint64_t id() const { return id_; }
  PeerStream& stream() { return *stream_; }
  const PeerStream& stream() const { return *stream_; }
  bool ended() const { return ended_; }
  const std::vector<std::unique_ptr<CoreSession>>& sessions() const { return sessions_; }

  // Opens our side of a core, unless it is open already. kResourceExhausted: too many.
  Result<void> OpenCore(CoreHub& hub);
  bool HasCore(const ServedCore& core) const;
  // The remote asked for this core when it was not here; said once. Not of more than
  // kCoresPerStreamMax cores.
  bool TakeAskedInVain(const DiscoveryKey& key) { return asked_in_vain_.erase(key) > 0; }
  // Answers what waits, while the stream takes it.
  void Pump();
  // Closes the stream; all its sessions are gone when it returns.
  void Fail(const Error& reason);
  // Destroys closed sessions. Only between turns.
  void Collect();

  void OnMessage(ByteView message) override;
  void OnWritable() override;
  void OnClosed(const Error& reason) override;
  PairAnswer OnRemoteOpen(Protomux& mux, const ChannelName& name) override;

 private:
  void End(const Error& reason);
  bool TooManyPending() const;

  const std::uint64_t id_;
  std::unique_ptr<PeerStream> stream_;
  StreamSessionOwner& owner_;
  Protomux mux_;
  std::vector<std::unique_ptr<CoreSession>> sessions_;
  std::set<DiscoveryKey> asked_in_vain_;
  std::size_t next_ = 0;  // whose turn it is to be answered
  bool ended_ = false;
};

}  // namespace hnx::hyper
