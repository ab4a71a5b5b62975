#include "hyper/replication/replicator.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "hyper/replication/replica_served.h"
#include "hyper/storage/flat_core_storage.h"
#include "hyper/storage/frozen_mark.h"

namespace hnx::hyper {

// A core's own line to the listener.
class Replicator::Listener final : public DownloaderListener {
 public:
  Listener(const CoreKey& key, ReplicationListener* listener)
      : key_(key), listener_(listener == nullptr ? &nobody_ : listener) {}

  void OnHead(const CoreHead& head) override { listener_->OnHead(key_, head); }
  void OnHeadConfirmed() override { listener_->OnHeadConfirmed(key_); }
  void OnBlocks(BlockRange blocks) override { listener_->OnBlocks(key_, blocks); }
  void OnLiar(const PublicKey& peer, const ProofRefused& refused) override {
    listener_->OnLiar(key_, peer, refused);
  }
  void OnForkAhead(const ForkAhead& fork) override { listener_->OnForkAhead(key_, fork); }
  void OnConflict(const TreeConflict& conflict) override { listener_->OnConflict(key_, conflict); }
  void OnTrouble(const Error& error) override { listener_->OnTrouble(key_, error); }

 private:
  const CoreKey key_;
  ReplicationListener nobody_;
  ReplicationListener* const listener_;
};

struct Replicator::Core {
  Core(const CoreKey& key_in, ReplicationListener* listener_in)
      : key(key_in), listener(key_in, listener_in) {}

  const CoreKey key;
  Listener listener;
  bool frozen = false;
  std::filesystem::path mark_folder;  // where it is noted that it is; empty: nowhere
  // A core in a folder, opened on demand.
  std::optional<std::filesystem::path> folder;
  HeadRule rule = HeadRule::kNewest;
  std::optional<CoreHead> accepted;
  ReaderCore* reader = nullptr;  // when open; owned by the hub
  std::optional<Clock::SteadyTime> looked_at;
  CoreSessionStatistics before;  // of earlier openings
  std::unique_ptr<ReplicaCore> replica;
  std::size_t users = 1;         // of the replica
  std::unique_ptr<CoreHub> hub;  // null: not open
};

struct Replicator::InTurn {
  explicit InTurn(Replicator& owner) : replicator(owner) { replicator.EnterTurn(); }
  ~InTurn() { replicator.LeaveTurn(); }
  InTurn(const InTurn&) = delete;
  InTurn& operator=(const InTurn&) = delete;
  InTurn(InTurn&&) = delete;
  InTurn& operator=(InTurn&&) = delete;
  Replicator& replicator;
};

namespace {

void AddTo(CoreSessionStatistics& sum, const CoreSessionStatistics& more) {
  sum.blocks_up += more.blocks_up;
  sum.bytes_up += more.bytes_up;
  sum.blocks_down += more.blocks_down;
  sum.bytes_down += more.bytes_down;
  sum.requests_in += more.requests_in;
  sum.refused += more.refused;
}

}  // namespace

Replicator::Replicator(const Clock& clock, ReplicationListener* listener, std::size_t streams_max)
    : clock_(clock), listener_(listener), streams_max_(streams_max) {}

Replicator::~Replicator() {
  depth_ = 1;  // nothing is swept while everything goes
  for (auto& [id, stream] : streams_) {
    stream->Fail(Error{ErrorCode::kCancelled, "the program ends"});
  }
  streams_.clear();
}

// -- Cores

Replicator::Core* Replicator::Find(const CoreKey& key) {
  const auto found = cores_.find(DiscoveryKeyOf(key));
  return found == cores_.end() ? nullptr : found->second.get();
}

bool Replicator::HasCore(const CoreKey& key) const {
  return cores_.contains(DiscoveryKeyOf(key));
}

Result<Replicator::Core*> Replicator::AddCore(const CoreKey& key) {
  if (cores_.size() >= kCoresMax) {
    return ResourceExhausted("add core " + CoreKeyId(key) + ": more than " +
                             std::to_string(kCoresMax) + " cores");
  }
  const auto [at, added] = cores_.try_emplace(DiscoveryKeyOf(key));
  if (!added) {
    return Error{ErrorCode::kAlreadyExists, "add core " + CoreKeyId(key) + ": it is there already"};
  }
  at->second = std::make_unique<Core>(key, listener_);
  return at->second.get();
}

Result<void> Replicator::AddFolder(const CoreKey& key, std::filesystem::path core_folder,
                                   HeadRule rule) {
  HNX_ASSIGN_OR_RETURN(Core* const core, AddCore(key));
  core->mark_folder = core_folder;
  core->frozen = IsMarkedFrozen(core_folder);
  if (core->frozen) {
    Log("replication")->error("{}", FrozenError(core_folder, CoreKeyId(key)).message);
  }
  core->folder = std::move(core_folder);
  core->rule = rule;
  OfferToWhoAsked(key);
  return {};
}

Result<void> Replicator::AddReader(std::unique_ptr<ReaderCore> reader) {
  HNX_ASSIGN_OR_RETURN(Core* const core, AddCore(reader->key()));
  core->rule = reader->rule();
  core->reader = reader.get();
  core->looked_at = clock_.Steady();
  core->hub = std::make_unique<CoreHub>(std::move(reader));
  WatchConflicts(*core);
  OfferToWhoAsked(core->key);
  return {};
}

Result<void> Replicator::AddServed(std::unique_ptr<ServedCore> served) {
  HNX_ASSIGN_OR_RETURN(Core* const core, AddCore(served->key()));
  core->hub = std::make_unique<CoreHub>(std::move(served));
  OfferToWhoAsked(core->key);
  return {};
}

void Replicator::WatchConflicts(Core& core) {
  core.hub->SetOnConflict([&core](const TreeConflict& conflict) {
    if (!core.frozen) {
      Freeze(core, conflict);
      core.hub->CloseAll();
      core.listener.OnConflict(conflict);
    }
  });
}

Downloader::Links Replicator::LinksOf(Core& core) {
  return {*core.replica,
          clock_,
          core.listener,
          [this, &core] {
            core.hub->Announce();
            if (core.hub->downloading()) {
              OpenEverywhere(core);
            }
          },
          [&core](BlockRange blocks) { core.hub->AnnounceBlocks(blocks, false); },
          [this](CoreSession& session, const Error& reason) {
            RemoveStream(session.stream_id(), reason);
          },
          [&core](const TreeConflict& conflict) {
            Freeze(core, conflict);
            core.hub->CloseAll();
          },
          {InTurns(helpers_.disk), InTurns(helpers_.hashing)}};
}

// What comes back is a turn of its own, if the Replicator is still there.
RunBeside Replicator::InTurns(const RunBeside& run_beside) {
  if (!run_beside) {
    return {};
  }
  return [this, run_beside](std::function<void()> work, std::function<void()> done) {
    run_beside(std::move(work),
               [this, alive = std::weak_ptr<bool>(alive_), done = std::move(done)] {
                 if (!alive.expired()) {
                   const InTurn turn(*this);
                   done();
                 }
               });
  };
}

void Replicator::Freeze(Core& core, const TreeConflict& conflict) {
  core.frozen = true;
  if (core.mark_folder.empty()) {
    return;
  }
  const std::string what = "fork " + std::to_string(conflict.fork) + ", length " +
                           std::to_string(conflict.length) +
                           "\ntree hash here: " + conflict.our_hash.ToHex() +
                           "\ntree hash there: " + conflict.their_hash.ToHex() + "\n";
  if (const Result<void> marked = MarkFrozen(core.mark_folder, what); !marked) {
    Log("replication")->error("core {}: {}", CoreKeyId(core.key), marked.error().ToString());
  }
}

Result<Downloader*> Replicator::AddReplica(std::unique_ptr<ReplicaCore> replica,
                                           std::filesystem::path core_folder) {
  if (!core_folder.empty() && IsMarkedFrozen(core_folder)) {
    return FrozenError(core_folder, CoreKeyId(replica->key()));
  }
  HNX_ASSIGN_OR_RETURN(Core* const core, AddCore(replica->key()));
  core->mark_folder = std::move(core_folder);
  core->replica = std::move(replica);
  core->hub = std::make_unique<CoreHub>(std::make_unique<ReplicaServed>(*core->replica));
  core->hub->SetDownloader(std::make_unique<Downloader>(LinksOf(*core)));
  OfferToWhoAsked(core->key);
  return core->hub->downloader();
}

Result<Downloader*> Replicator::AcquireReplica(const CoreKey& key,
                                               const std::filesystem::path& core_folder) {
  if (Core* const core = Find(key); core != nullptr && core->replica) {
    ++core->users;
    return core->hub->downloader();
  }
  HNX_ASSIGN_OR_RETURN(auto storage, FlatCoreStorage::OpenForWriting(core_folder));
  Result<std::unique_ptr<ReplicaCore>> replica = ReplicaCore::Open(std::move(storage));
  if (!replica && replica.error().code == ErrorCode::kNotFound) {
    HNX_ASSIGN_OR_RETURN(storage, FlatCoreStorage::OpenForWriting(core_folder));
    replica = ReplicaCore::Create(std::move(storage), key);
  }
  if (!replica) {
    return replica.error();
  }
  if ((*replica)->key() != key) {
    return DataLoss("core " + CoreKeyId(key) + ": in " + core_folder.string() +
                    " is another one, " + CoreKeyId((*replica)->key()));
  }
  return AddReplica(*std::move(replica), core_folder);
}

void Replicator::ReleaseReplica(const CoreKey& key) {
  Core* const core = Find(key);
  if (core != nullptr && core->replica && --core->users == 0) {
    RemoveCore(key);
  }
}

void Replicator::RemoveCore(const CoreKey& key) {
  const InTurn turn(*this);
  const auto found = cores_.find(DiscoveryKeyOf(key));
  if (found == cores_.end()) {
    return;
  }
  if (found->second->hub) {
    // First, as a longer head is told to all streams, and opens the core there.
    if (Downloader* const downloader = found->second->hub->downloader()) {
      if (const Result<void> committed = downloader->Commit(); !committed) {
        Log("replication")
            ->warn("remove core {}: {}", CoreKeyId(key), committed.error().ToString());
      }
    }
    found->second->hub->CloseAll();
  }
  removed_.push_back(std::move(found->second));
  cores_.erase(found);
  swept_needed_ = true;
}

Downloader* Replicator::FindDownloader(const CoreKey& key) {
  Core* const core = Find(key);
  return core == nullptr || !core->hub ? nullptr : core->hub->downloader();
}

Result<void> Replicator::OpenFolder(Core& core) {
  HNX_ASSIGN_OR_RETURN(auto storage, FlatCoreStorage::OpenReadOnly(*core.folder));
  HNX_ASSIGN_OR_RETURN(std::unique_ptr<ReaderCore> reader,
                       ReaderCore::Open(std::move(storage), core.rule));
  if (reader->key() != core.key) {
    return DataLoss("core " + CoreKeyId(core.key) + ": in " + core.folder->string() +
                    " is another one, " + CoreKeyId(reader->key()));
  }
  if (core.accepted) {
    HNX_TRY(reader->SetAccepted(*core.accepted));
  }
  core.reader = reader.get();
  core.hub = std::make_unique<CoreHub>(std::move(reader));
  WatchConflicts(core);
  core.looked_at = clock_.Steady();
  return {};
}

void Replicator::CloseIfIdle(Core& core) {
  if (core.folder && core.hub && core.hub->sessions().empty()) {
    AddTo(core.before, core.hub->statistics());
    core.reader = nullptr;
    core.hub.reset();
  }
}

CoreHub* Replicator::FindCore(const DiscoveryKey& key) {
  auto found = cores_.find(key);
  if (found == cores_.end() && finder_) {
    finder_(key);
    found = cores_.find(key);
  }
  if (found == cores_.end() || found->second->frozen) {
    return nullptr;
  }
  Core& core = *found->second;
  if (!core.hub) {
    if (const Result<void> opened = OpenFolder(core); !opened) {
      Log("replication")->warn("open core {}: {}", CoreKeyId(core.key), opened.error().ToString());
      core.listener.OnTrouble(opened.error());
      return nullptr;
    }
  }
  return core.hub.get();
}

Result<void> Replicator::SetAccepted(const CoreKey& key, const CoreHead& head) {
  const InTurn turn(*this);
  Core* const core = Find(key);
  if (core == nullptr) {
    return NotFound("announce head of core " + CoreKeyId(key) + ": there is no such core");
  }
  if (core->reader != nullptr) {
    const std::uint64_t length = core->reader->head().length;
    const std::uint64_t contiguous = core->reader->contiguous_length();
    HNX_TRY(core->reader->SetAccepted(head));
    AnnounceChange(*core, length, contiguous);
  }
  core->accepted = head;
  return {};
}

Result<void> Replicator::Refresh(const CoreKey& key) {
  const InTurn turn(*this);
  Core* const core = Find(key);
  if (core == nullptr || core->reader == nullptr) {
    return {};
  }
  return RefreshCore(*core);
}

Result<void> Replicator::RefreshCore(Core& core) {
  const std::uint64_t length = core.reader->head().length;
  const std::uint64_t contiguous = core.reader->contiguous_length();
  core.looked_at = clock_.Steady();
  HNX_ASSIGN_OR_RETURN(const bool changed, core.reader->Refresh());
  if (changed) {
    AnnounceChange(core, length, contiguous);
  }
  return {};
}

// Blocks are stored; then the head is told, then the blocks.
void Replicator::AnnounceChange(Core& core, std::uint64_t length_before,
                                std::uint64_t contiguous_before) {
  CoreHub& hub = *core.hub;
  hub.Announce();
  const std::uint64_t length = hub.core().head().length;
  if (length > length_before) {
    hub.AnnounceBlocks({BlockIndex(length_before), BlockIndex(length)}, false);
  }
  // What was cleared below the blocks that all peers think are here.
  BlockIndex at(hub.core().contiguous_length());
  const BlockIndex end(contiguous_before);
  for (std::size_t i = 0; at < end; ++i) {
    const Result<BlockIndex> present = hub.core().NextPresent({at, end});
    if (!present || i >= kDropsAnnouncedMax) {
      hub.AnnounceBlocks({at, end}, true);
      return;
    }
    hub.AnnounceBlocks({at, *present}, true);
    const Result<BlockIndex> absent = hub.core().NextAbsent({*present, end});
    at = absent ? *absent : end;
  }
}

// -- Streams

void Replicator::OpenEverywhere(Core& core) {
  if (core.frozen) {
    return;
  }
  const InTurn turn(*this);
  for (const auto& [id, stream] : streams_) {
    const Result<void> opened = stream->OpenCore(*core.hub);
    if (!opened) {
      Log("replication")
          ->info("core {} not opened at {}: {}", CoreKeyId(core.key),
                 stream->stream().remote_name(), opened.error().ToString());
    }
  }
}

void Replicator::OfferToWhoAsked(const CoreKey& key) {
  const InTurn turn(*this);
  const DiscoveryKey discovery = DiscoveryKeyOf(key);
  for (const auto& [id, stream] : streams_) {
    if (!stream->TakeAskedInVain(discovery)) {
      continue;
    }
    CoreHub* const hub = FindCore(discovery);
    const Result<void> opened = hub == nullptr ? Result<void>() : stream->OpenCore(*hub);
    if (!opened) {
      Log("replication")
          ->info("core {} not opened at {}: {}", CoreKeyId(key), stream->stream().remote_name(),
                 opened.error().ToString());
    }
  }
}

Result<StreamId> Replicator::AddStream(std::unique_ptr<PeerStream> stream) {
  const InTurn turn(*this);
  if (streams_.size() >= streams_max_) {
    Error error = ResourceExhausted("peer " + stream->remote_name() + ": more than " +
                                    std::to_string(streams_max_) + " streams");
    stream->Close(error);
    return error;
  }
  const StreamId id = ++last_stream_;
  StreamSession& session =
      *streams_.emplace(id, std::make_unique<StreamSession>(id, std::move(stream), *this, clock_))
           .first->second;
  for (const auto& [key, core] : cores_) {
    if (session.ended() || !core->hub || core->frozen || !core->hub->downloading()) {
      continue;
    }
    if (const Result<void> opened = session.OpenCore(*core->hub); !opened) {
      Log("replication")
          ->warn("core {} not opened: {}", CoreKeyId(core->key), opened.error().ToString());
      if (opened.error().code == ErrorCode::kResourceExhausted) {
        break;
      }
    }
  }
  return id;
}

void Replicator::RemoveStream(StreamId id, const Error& reason) {
  const InTurn turn(*this);
  const auto found = streams_.find(id);
  if (found != streams_.end()) {
    found->second->Fail(reason);
  }
}

void Replicator::OnStreamEnded(StreamSession& session, const Error& reason) {
  swept_needed_ = true;
  if (listener_ != nullptr) {
    listener_->OnStreamEnded(session.id(), session.stream().remote_public_key(), reason);
  }
}

void Replicator::OnMoreWork() {
  more_work_ = true;
  if (wake_ && !std::exchange(woken_, true)) {
    wake_();
  }
}

void Replicator::LeaveTurn() {
  if (depth_ == 1) {
    Sweep();
  }
  --depth_;
}

// Destroys what has ended. Nothing of it is on the stack any more, but for the stream whose
// callback this turn was, which allows it.
void Replicator::Sweep() {
  if (std::exchange(swept_needed_, false)) {
    std::vector<std::unique_ptr<StreamSession>> ended;
    for (auto at = streams_.begin(); at != streams_.end();) {
      if (at->second->ended()) {
        ended.push_back(std::move(at->second));
        at = streams_.erase(at);
      } else {
        at->second->Collect();
        ++at;
      }
    }
  }
  if (!removed_.empty()) {
    for (const auto& [id, stream] : streams_) {
      stream->Collect();
    }
    removed_.clear();
  }
}

// -- Time

std::chrono::milliseconds Replicator::RunTimers() {
  const InTurn turn(*this);
  woken_ = false;
  std::chrono::milliseconds next = kTimersInterval;
  if (std::exchange(more_work_, false)) {
    for (const auto& [id, stream] : streams_) {
      stream->Pump();
    }
  }
  for (const auto& [id, stream] : streams_) {
    stream->Collect();
  }
  for (const auto& [discovery_key, core] : cores_) {
    CloseIfIdle(*core);
    if (!core->hub) {
      continue;
    }
    if (Downloader* const downloader = core->hub->downloader()) {
      next = std::min(next, downloader->Tick());
    }
    if (core->reader != nullptr && core->rule == HeadRule::kNewest &&
        clock_.Steady() - *core->looked_at >= kFolderPollInterval) {
      if (const Result<void> looked = RefreshCore(*core); !looked) {
        core->listener.OnTrouble(looked.error());
      }
    }
  }
  return more_work_ ? std::chrono::milliseconds(0) : next;
}

std::vector<CoreStatistics> Replicator::Statistics() const {
  std::vector<CoreStatistics> all;
  for (const auto& [discovery_key, core] : cores_) {
    CoreStatistics& one = all.emplace_back();
    one.key = core->key;
    one.frozen = core->frozen;
    one.traffic = core->before;
    one.open = core->hub != nullptr;
    if (!core->hub) {
      continue;
    }
    AddTo(one.traffic, core->hub->statistics());
    one.head = core->hub->core().head();
    one.contiguous_length = core->hub->core().contiguous_length();
    if (core->hub->downloader() != nullptr) {
      one.download = core->hub->downloader()->statistics();
    }
    for (CoreSession* const session : core->hub->sessions()) {
      if (!session->opened()) {
        continue;
      }
      one.peers.push_back({session->stream().remote_name(), session->stream().remote_public_key(),
                           session->remote().sync.length,
                           session->remote_blocks().contiguous_length(), session->statistics(),
                           session->remote().synced});
    }
  }
  return all;
}

}  // namespace hnx::hyper
