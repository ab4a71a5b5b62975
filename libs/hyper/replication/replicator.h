// Replicator: all cores of a process on all its streams. Peers are told of and served the cores
// that were added, and no others; replicas are filled from whoever has their blocks.
//
// A core is named by its discovery key on the wire, so whoever does not know its key cannot ask for
// it. There is no list: a remote's open for a core that is not here goes to the finder, then it is
// rejected. Cores in folders are opened when the first peer asks and closed when the last one left.
//
// Sans-I/O but for the cores' files: streams come in as PeerStream, time through RunTimers (see
// ReplicatorDriver for an EventLoop).
//
// Threads: one, that of the streams. The listener is called from within and may call back.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "hyper/core/replica_core.h"
#include "hyper/replication/core_hub.h"
#include "hyper/replication/downloader.h"
#include "hyper/replication/reader_core.h"
#include "hyper/replication/stream_session.h"
#include "hyper/transport/peer_stream.h"

namespace hnx::hyper {

inline constexpr std::size_t kStreamsMaxDefault = 4096;
inline constexpr std::size_t kCoresMax = 65'536;
// How often folders whose writer is elsewhere are looked at, while peers have them open.
inline constexpr std::chrono::milliseconds kFolderPollInterval{1000};
// RunTimers wants to be called again within this at the latest.
inline constexpr std::chrono::milliseconds kTimersInterval{1000};
// Dropped ranges that one look at a folder announces; with more, the whole span counts as dropped.
inline constexpr std::size_t kDropsAnnouncedMax = 64;

using StreamId = std::uint64_t;

// What happens to cores and streams. Nothing need be overridden.
class ReplicationListener {
 public:
  virtual ~ReplicationListener() = default;
  virtual void OnStreamEnded(StreamId /*id*/, const PublicKey& /*peer*/, const Error& /*reason*/) {}
  virtual void OnHead(const CoreKey& /*core*/, const CoreHead& /*head*/) {}
  // For the first time a peer said that ours is its newest head, or proved a newer one.
  virtual void OnHeadConfirmed(const CoreKey& /*core*/) {}
  virtual void OnBlocks(const CoreKey& /*core*/, BlockRange /*blocks*/) {}
  // A peer whose answers do not verify. Its stream is closed; it should not be dialled again soon.
  virtual void OnLiar(const CoreKey& /*core*/, const PublicKey& /*peer*/,
                      const ProofRefused& /*refused*/) {}
  virtual void OnForkAhead(const CoreKey& /*core*/, const ForkAhead& /*fork*/) {}
  // The core is frozen from now on: neither served nor asked for. Whoever keeps it should note that
  // for ever, with the two proofs.
  virtual void OnConflict(const CoreKey& /*core*/, const TreeConflict& /*conflict*/) {}
  virtual void OnTrouble(const CoreKey& /*core*/, const Error& /*error*/) {}
};

struct CorePeer {
  std::string name;
  PublicKey key;
  std::uint64_t length = 0;  // as it says
  std::uint64_t contiguous_length = 0;
  CoreSessionStatistics traffic;
  bool told = false;  // it has said what it has; until then its lengths are 0
};

struct CoreStatistics {
  CoreKey key;
  bool open = false;  // else only known
  bool frozen = false;
  CoreHead head;
  std::uint64_t contiguous_length = 0;
  CoreSessionStatistics traffic;
  DownloaderStatistics download;  // of a replica
  std::vector<CorePeer> peers;
};

class Replicator final : public StreamSessionOwner {
 public:
  // Must outlive it; `listener` may be null.
  Replicator(const Clock& clock, ReplicationListener* listener,
             std::size_t streams_max = kStreamsMaxDefault);
  ~Replicator() override;
  Replicator(const Replicator&) = delete;
  Replicator& operator=(const Replicator&) = delete;
  Replicator(Replicator&&) = delete;
  Replicator& operator=(Replicator&&) = delete;

  // -- Cores. kAlreadyExists: it is there; kResourceExhausted: too many.

  // A core in a folder (with its oplog) that somebody writes; opened when a peer asks. One that is
  // marked as frozen there (storage/frozen_mark.h) is never opened.
  Result<void> AddFolder(const CoreKey& key, std::filesystem::path core_folder, HeadRule rule);
  // The same, already open; stays so.
  Result<void> AddReader(std::unique_ptr<ReaderCore> reader);
  // Any other.
  Result<void> AddServed(std::unique_ptr<ServedCore> core);
  // A replica, served too. The Downloader lives until the core is removed. `core_folder`: where it
  // is noted when the core is frozen; kDataLoss: it is noted there already.
  Result<Downloader*> AddReplica(std::unique_ptr<ReplicaCore> replica,
                                 std::filesystem::path core_folder = {});
  // The same from its files, which are made when there are none; or the replica that is there
  // already. It stays until everyone who acquired it (or added it) has released it.
  Result<Downloader*> AcquireReplica(const CoreKey& key, const std::filesystem::path& core_folder);
  void ReleaseReplica(const CoreKey& key);
  // Closes its sessions; staged blocks of a replica are committed.
  void RemoveCore(const CoreKey& key);
  bool HasCore(const CoreKey& key) const;
  // Null: no replica of that key.
  Downloader* FindDownloader(const CoreKey& key);

  // HeadRule::kAccepted: the head that peers may be told of from now on; it is remembered while the
  // core is not open. kNotFound: no such core. Errors as ReaderCore::SetAccepted (of an open core).
  Result<void> SetAccepted(const CoreKey& key, const CoreHead& head);
  // Look at the core's files now: its writer committed, or cleared blocks.
  Result<void> Refresh(const CoreKey& key);
  // Called for a remote's open for an unknown core; it may add the core.
  void SetFinder(std::function<void(const DiscoveryKey&)> finder) { finder_ = std::move(finder); }

  // -- Streams

  // Takes the stream over; opens all cores that are being downloaded. kResourceExhausted: too many
  // streams, it is closed.
  Result<StreamId> AddStream(std::unique_ptr<PeerStream> stream);
  // OnStreamEnded is called. Unknown: nothing happens.
  void RemoveStream(StreamId id, const Error& reason);
  std::size_t stream_count() const { return streams_.size(); }

  // For replicas that are added from now on; without them all is done in place. They must go on
  // until the Replicator is gone.
  void SetHelpers(Helpers helpers) { helpers_ = std::move(helpers); }

  // Does what is due; tells when to come again at the latest. `wake` is called (at most once
  // between two runs) when that is sooner than told.
  std::chrono::milliseconds RunTimers();
  void SetWake(std::function<void()> wake) { wake_ = std::move(wake); }

  std::vector<CoreStatistics> Statistics() const;

  void EnterTurn() override { ++depth_; }
  void LeaveTurn() override;
  CoreHub* FindCore(const DiscoveryKey& key) override;
  void OnStreamEnded(StreamSession& session, const Error& reason) override;
  void OnMoreWork() override;

 private:
  class Listener;
  struct Core;
  struct InTurn;

  Result<Core*> AddCore(const CoreKey& key);
  Core* Find(const CoreKey& key);
  Result<void> OpenFolder(Core& core);
  void OpenEverywhere(Core& core);
  // Whoever asked for it before it was here would not ask again.
  void OfferToWhoAsked(const CoreKey& key);
  void CloseIfIdle(Core& core);
  void AnnounceChange(Core& core, std::uint64_t length_before, std::uint64_t contiguous_before);
  Result<void> RefreshCore(Core& core);
  static void WatchConflicts(Core& core);
  static void Freeze(Core& core, const TreeConflict& conflict);
  Downloader::Links LinksOf(Core& core);
  RunBeside InTurns(const RunBeside& run_beside);
  void Sweep();

  const Clock& clock_;
  ReplicationListener* const listener_;
  const std::size_t streams_max_;
  std::function<void(const DiscoveryKey&)> finder_;
  std::function<void()> wake_;
  Helpers helpers_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // watched by what comes back
  std::map<DiscoveryKey, std::unique_ptr<Core>> cores_;
  std::vector<std::unique_ptr<Core>> removed_;  // destroyed between turns
  std::map<StreamId, std::unique_ptr<StreamSession>> streams_;
  StreamId last_stream_ = 0;
  int depth_ = 0;
  bool woken_ = false;
  bool more_work_ = false;
  bool swept_needed_ = false;
};

}  // namespace hnx::hyper
