// Downloader: fills a ReplicaCore from any number of peers. Sans-I/O: sessions hand in what peers
// say, Tick hands in the time.
//
//  - Keeps to the longest head that a peer can prove (Follow), one upgrade in flight at a time.
//  - Wanted blocks: selections (ranges, whole cores, by priority, lowest block first) and fetches
//    (single blocks with a callback, before all selections).
//  - Each peer has a window of requests that grows while its answers come at once and shrinks while
//    they queue, so that peers share the work by their rate. A peer that is silent while it owes
//    answers is overtaken: its blocks are asked for elsewhere, the first answer counts.
//  - A peer that goes away, or has not what it said, costs nothing but its requests: they go to the
//    others. What was verified stays.
//  - A peer whose answer does not verify is reported and its stream closed. A signature that does
//    not fit is followed by a question for the proof of a conflict; a conflict freezes the core.
//
// Verified blocks are committed in groups; a commit is announced to all peers.
//
// Threads: that of the Replicator. Callbacks may call back, but must not destroy the Downloader.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "hyper/core/replica_core.h"
#include "hyper/replication/block_hashing.h"
#include "hyper/replication/block_requests.h"
#include "hyper/replication/core_session.h"
#include "hyper/replication/download_peer.h"
#include "hyper/replication/replica_commits.h"
#include "hyper/replication/wanted_blocks.h"

namespace hnx::hyper {

// While so much is not committed nothing is asked for: the disk is slower than the peers.
inline constexpr std::uint64_t kUncommittedBytesMax = std::uint64_t{24} << 20;
// Nothing was asked for so long: the remote may close the channel.
inline constexpr std::chrono::milliseconds kDownloadLinger{30'000};
// After trouble of our own (a full disk) nothing is asked for so long.
inline constexpr std::chrono::milliseconds kTroublePause{5'000};
class DownloaderListener {
 public:
  virtual ~DownloaderListener() = default;
  // A longer head is committed.
  virtual void OnHead(const CoreHead& head) = 0;
  // For the first time a peer said that ours is its newest head, or proved a newer one.
  virtual void OnHeadConfirmed() = 0;
  // These blocks are committed.
  virtual void OnBlocks(BlockRange blocks) = 0;
  // A peer lied; its stream is closed.
  virtual void OnLiar(const PublicKey& peer, const ProofRefused& refused) = 0;
  // A peer says that the owner went on under a higher fork.
  virtual void OnForkAhead(const ForkAhead& fork) = 0;
  // The owner signed two trees. The core is frozen: nothing is served or asked any more.
  virtual void OnConflict(const TreeConflict& conflict) = 0;
  // Disk full, damaged files. It is tried again after kTroublePause.
  virtual void OnTrouble(const Error& error) = 0;
};

struct DownloaderStatistics {
  std::uint64_t blocks_received = 0;  // new ones
  std::uint64_t bytes_received = 0;
  std::uint64_t blocks_twice = 0;  // asked for twice, and came twice
  std::uint64_t liars = 0;
  std::uint64_t peers_dropped = 0;  // silent for too long
  std::uint64_t peers_overtaken = 0;
  std::uint64_t remote_length_max = 0;  // announced by anyone connected, verified or not
  // When a peer last said that ours is its head, or proved a longer one.
  std::optional<Clock::SteadyTime> head_confirmed;
};

class Downloader {
 public:
  // What it needs of its surroundings.
  struct Links {
    ReplicaCore& replica;
    const Clock& clock;
    DownloaderListener& listener;
    // Tells all sessions: head or `downloading` changed / these blocks are there now.
    std::function<void()> announce;
    std::function<void(BlockRange)> announce_blocks;
    // Closes the peer's stream.
    std::function<void(CoreSession&, const Error&)> drop_peer;
    std::function<void(const TreeConflict&)> freeze;
    Helpers helpers;
  };
  explicit Downloader(Links links);
  ~Downloader();
  Downloader(const Downloader&) = delete;
  Downloader& operator=(const Downloader&) = delete;
  Downloader(Downloader&&) = delete;
  Downloader& operator=(Downloader&&) = delete;

  // -- Wanting

  // Ask for every longer head.
  void SetFollow(bool follow);
  // kResourceExhausted beyond the limits.
  Result<SelectionId> Select(Selection selection);
  void Deselect(SelectionId id);
  // Calls back at once when the block is here. A block beyond the head is fetched together with the
  // head that has it. `priority` above 0 is served first, here and there.
  Result<FetchId> Fetch(BlockIndex block, int priority, FetchCallback callback);
  void CancelFetch(FetchId id);

  bool downloading() const { return downloading_; }
  // Peers that have the core open.
  std::size_t peer_count() const { return peers_.size(); }
  const DownloaderStatistics& statistics() const { return statistics_; }
  ReplicaCore& replica() { return links_.replica; }

  // -- From the sessions

  void OnOpened(CoreSession& session);
  void OnRemoteChanged(CoreSession& session);
  Result<void> OnData(CoreSession& session, const DataMessage& data);
  Result<void> OnNoData(CoreSession& session, const NoDataMessage& no_data);
  void OnGone(CoreSession& session);

  // Does what is due; tells when to come again at the latest.
  std::chrono::milliseconds Tick();
  // Commits what is staged, now: waits for the disk.
  Result<void> Commit() { return commits_.CommitNow(); }

 private:
  using Peer = DownloadPeer;
  using Request = BlockRequests::Request;

  void FillAll();
  void Fill(Peer& peer);
  bool AskNext(Peer& peer);
  bool AskUpgrade(Peer& peer);
  bool AskFetch(Peer& peer);
  bool AskSelection(Peer& peer);
  bool AskOvertaken(Peer& peer);
  bool AskBlock(Peer& peer, BlockIndex block, int priority);
  bool CanAsk(const Peer& peer, BlockIndex block) const;
  void Send(Peer& peer, const ProofRequest& proof, int priority);
  std::optional<BlockIndex> NextOf(WantedBlocks::Selected& selected, Peer& peer);

  // Forgets a request.
  void Release(std::uint64_t id, bool want_again);
  void DropPeer(Peer& peer, const Error& reason) const;
  void OnHashed(const DataMessage& data, const Hash& leaf_hash);
  void Receive(CoreSession& session, const Request& request, const DataMessage& data,
               const Hash* leaf_hash);
  void Judge(Peer& peer, const Request& request, const DataMessage& data,
             const ReceiveVerdict& verdict);
  void OnStaged(Peer& peer, const Request& request, const DataMessage& data,
                const ProofStaged& staged);
  void OnRefused(Peer& peer, const Request& request, const ProofRefused& refused);
  void OnConflict(const TreeConflict& conflict);
  void CancelOthers(BlockIndex block);
  void Deliver(BlockIndex block, ByteView value);
  void OnAnswered(Peer& peer, const Request& request);
  void OnCommitted(const ReplicaCore::Committed& committed, bool longer);
  void CompleteSelections();
  void UpdateDownloading();
  void ConfirmHead();
  void Trouble(const Error& error);
  void CheckSilence(Peer& peer);
  void SetOvertaken(Peer& peer, bool overtaken);
  Clock::SteadyTime Now() const { return links_.clock.Steady(); }

  Links links_;
  bool follow_ = false;
  bool downloading_ = false;
  bool frozen_ = false;
  Clock::SteadyTime wanted_last_;
  std::optional<Clock::SteadyTime> paused_until_;

  std::map<CoreSession*, std::unique_ptr<Peer>> peers_;
  std::size_t overtaken_ = 0;  // peers
  WantedBlocks wanted_;
  BlockRequests requests_;

  DownloaderStatistics statistics_;
  BlockHashing hashing_;
  ReplicaCommits commits_;  // the last: it ends first
};

}  // namespace hnx::hyper
