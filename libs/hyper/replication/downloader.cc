#include "hyper/replication/downloader.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/log.h"

namespace hnx::hyper {

using std::chrono::milliseconds;

Downloader::Downloader(Links links)
    : links_(std::move(links)),
      wanted_last_(Now()),
      hashing_(
          links_.helpers.hashing,
          [this](const DataMessage& data, const Hash& leaf_hash) { OnHashed(data, leaf_hash); }),
      commits_({links_.replica, links_.clock, links_.helpers.disk,
                [this](const ReplicaCore::Committed& committed, bool longer) {
                  OnCommitted(committed, longer);
                },
                [this](const Error& error) { Trouble(error); }}) {}

Downloader::~Downloader() {
  for (const FetchCallback& callback : wanted_.TakeAllFetches()) {
    callback(Error{ErrorCode::kCancelled, "the download ended"});
  }
}

// -- Wanting

void Downloader::UpdateDownloading() {
  const bool wants = follow_ || !wanted_.empty();
  if (wants) {
    wanted_last_ = Now();
  }
  const bool now = !frozen_ && (wants || (downloading_ && Now() - wanted_last_ < kDownloadLinger));
  if (now != std::exchange(downloading_, now)) {
    links_.announce();
  }
}

void Downloader::SetFollow(bool follow) {
  follow_ = follow;
  UpdateDownloading();
  FillAll();
}

Result<SelectionId> Downloader::Select(Selection selection) {
  HNX_ASSIGN_OR_RETURN(const SelectionId id, wanted_.Select(std::move(selection)));
  UpdateDownloading();
  CompleteSelections();
  FillAll();
  return id;
}

void Downloader::Deselect(SelectionId id) {
  if (wanted_.Deselect(id)) {
    UpdateDownloading();
  }
}

Result<FetchId> Downloader::Fetch(BlockIndex block, int priority, FetchCallback callback) {
  if (frozen_) {
    return FailedPrecondition("fetch block " + std::to_string(block.value()) +
                              ": the owner signed two trees, the core is frozen");
  }
  HNX_ASSIGN_OR_RETURN(const BlockIndex missing, links_.replica.NextMissing({block, block + 1}));
  if (missing != block) {
    callback(links_.replica.GetStaged(block));
    return FetchId{0};
  }
  HNX_ASSIGN_OR_RETURN(const FetchId id, wanted_.Fetch(block, priority, std::move(callback)));
  UpdateDownloading();
  FillAll();
  return id;
}

void Downloader::CancelFetch(FetchId id) {
  if (wanted_.CancelFetch(id)) {
    UpdateDownloading();
  }
}

// -- Peers come and go

void Downloader::OnOpened(CoreSession& session) {
  auto& peer = peers_[&session];
  if (!peer) {
    peer = std::make_unique<Peer>(session, Now());
  }
}

void Downloader::OnRemoteChanged(CoreSession& session) {
  const auto found = peers_.find(&session);
  if (found == peers_.end()) {
    return;
  }
  Peer& peer = *found->second;
  const SyncMessage& theirs = session.remote().sync;
  statistics_.remote_length_max = std::max(statistics_.remote_length_max, theirs.length);
  const CoreHead& ours = links_.replica.head();
  if (theirs.fork == ours.fork && theirs.length == ours.length && ours.length > 0) {
    ConfirmHead();
  }
  if (theirs.fork > ours.fork && !std::exchange(peer.forked, true)) {
    links_.listener.OnForkAhead(ForkAhead{theirs.fork, false});
  }
  Fill(peer);
}

void Downloader::OnGone(CoreSession& session) {
  const auto found = peers_.find(&session);
  if (found == peers_.end()) {
    return;
  }
  const std::unique_ptr<Peer> peer = std::move(found->second);
  peers_.erase(found);
  SetOvertaken(*peer, false);
  const std::set<std::uint64_t> requests = peer->requests;
  for (const std::uint64_t id : requests) {
    Release(id, true);
  }
  FillAll();
}

// -- Requests

void Downloader::Send(Peer& peer, const ProofRequest& proof, int priority) {
  RequestMessage message;
  message.id = requests_.Add(peer, proof, priority, Now());
  message.priority = static_cast<std::uint64_t>(std::max(priority, 0));
  message.proof = proof;
  peer.session.SendRequest(message);
}

void Downloader::Release(std::uint64_t id, bool want_again) {
  const std::optional<Request> request = requests_.Take(id);
  if (request && request->proof.block && want_again) {
    wanted_.WantAgain(request->proof.block->index);
  }
}

bool Downloader::CanAsk(const Peer& peer, BlockIndex block) const {
  const SyncMessage& theirs = peer.session.remote().sync;
  const CoreHead& ours = links_.replica.staged_head();
  if (block.value() >= theirs.length || theirs.fork != ours.fork || peer.denied.contains(block)) {
    return false;
  }
  if (block.value() >= ours.length) {
    // Together with an upgrade, of which there is one at a time.
    return !requests_.has_upgrade() && theirs.can_upgrade && peer.session.length_acknowledged() &&
           links_.replica.head().length == ours.length && peer.upgrade_refused != theirs.length;
  }
  // Its tree is ours or longer, or ours grew out of its.
  return theirs.length >= ours.length || peer.session.can_upgrade_remote();
}

bool Downloader::AskBlock(Peer& peer, BlockIndex block, int priority) {
  const Result<ProofRequest> request =
      links_.replica.RequestBlock(block, peer.session.remote().sync.length);
  if (!request) {
    Trouble(request.error());
    return false;
  }
  Send(peer, *request, priority);
  return true;
}

bool Downloader::AskUpgrade(Peer& peer) {
  const SyncMessage& theirs = peer.session.remote().sync;
  const CoreHead& ours = links_.replica.head();
  const bool needed = follow_ || !wanted_.empty();
  const bool committing = links_.replica.staged_head().length != ours.length;
  if (!needed || committing || requests_.has_upgrade() || theirs.fork != ours.fork ||
      theirs.length <= ours.length || !theirs.can_upgrade || !peer.session.length_acknowledged() ||
      peer.upgrade_refused == theirs.length) {
    return false;
  }
  const Result<ProofRequest> request = links_.replica.RequestUpgrade(theirs.length);
  if (!request) {
    Trouble(request.error());
    return false;
  }
  Send(peer, *request, 1);
  return true;
}

bool Downloader::AskFetch(Peer& peer) {
  using Pick = WantedBlocks::Pick;
  const auto picked = wanted_.PickFetch([&](BlockIndex block) {
    if (requests_.HasBlock(block)) {
      return Pick::kUnderWay;
    }
    if (!peer.session.remote_blocks().Has(block)) {
      if (block.value() < peer.remote().length) {
        peer.session.WantAround(block);
      }
      return Pick::kLeave;
    }
    return CanAsk(peer, block) ? Pick::kTake : Pick::kLeave;
  });
  return picked && AskBlock(peer, picked->block, picked->priority);
}

// The lowest block of a selection that is missing, not under way, and at this peer.
std::optional<BlockIndex> Downloader::NextOf(WantedBlocks::Selected& selected, Peer& peer) {
  const std::uint64_t length =
      std::min(links_.replica.staged_head().length, peer.session.remote().sync.length);
  const BlockIndex end = selected.selection.to_head
                             ? BlockIndex(length)
                             : std::min(selected.selection.blocks.end, BlockIndex(length));
  bool first = true;
  for (BlockIndex at = selected.next; at < end;) {
    const Result<BlockIndex> missing = links_.replica.NextMissing({at, end});
    if (!missing) {
      Trouble(missing.error());
      return std::nullopt;
    }
    at = *missing;
    if (first) {
      selected.next = std::max(selected.next, at);
    }
    if (at >= end) {
      return std::nullopt;
    }
    if (requests_.HasBlock(at)) {
      ++at;
      continue;
    }
    if (!peer.session.remote_blocks().Has(at)) {
      peer.session.WantAround(at);
      first = false;
      at = peer.session.remote_blocks().NextPresent({at, end});
      continue;
    }
    if (!CanAsk(peer, at)) {
      first = false;
      ++at;
      continue;
    }
    if (first) {
      selected.next = at + 1;
    }
    return at;
  }
  return std::nullopt;
}

bool Downloader::AskSelection(Peer& peer) {
  return wanted_.AnyOfSelections([&](WantedBlocks::Selected& selected) {
    const std::optional<BlockIndex> block = NextOf(selected, peer);
    return block && AskBlock(peer, *block, 0);
  });
}

// With nothing else to do: what another, silent peer owes.
bool Downloader::AskOvertaken(Peer& peer) {
  if (overtaken_ == 0) {
    return false;
  }
  const std::optional<Request> owed = requests_.FindOvertaken([&](const Request& request) {
    const BlockIndex block = request.proof.block->index;
    return request.peer != &peer && peer.session.remote_blocks().Has(block) && CanAsk(peer, block);
  });
  return owed && AskBlock(peer, owed->proof.block->index, owed->priority);
}

bool Downloader::AskNext(Peer& peer) {
  return AskFetch(peer) || AskUpgrade(peer) || AskOvertaken(peer) || AskSelection(peer);
}

void Downloader::Fill(Peer& peer) {
  if (!downloading_ || paused_until_ || !peer.MayBeAsked() ||
      links_.replica.staged_bytes() >= kUncommittedBytesMax) {
    return;
  }
  const std::size_t window = peer.Window();
  if (peer.requests.size() >= window) {
    return;
  }
  peer.session.Cork();
  while (!paused_until_ && peer.requests.size() < window && AskNext(peer)) {
  }
  peer.session.Uncork();
}

void Downloader::FillAll() {
  // Filling sends, and sending does not change the peers.
  for (auto& [session, peer] : peers_) {
    Fill(*peer);
  }
}

// -- Answers

void Downloader::OnAnswered(Peer& peer, const Request& request) {
  peer.OnAnswered(Now() - request.sent, Now());
  SetOvertaken(peer, false);
}

Result<void> Downloader::OnData(CoreSession& session, const DataMessage& data) {
  const auto at = peers_.find(&session);
  if (at == peers_.end() || frozen_) {
    return {};
  }
  Peer& peer = *at->second;
  std::optional<Request> request;
  if (data.request == 0) {
    if (!peer.probed && !(data.proof.upgrade && data.proof.upgrade->start == 0)) {
      return {};  // pushed at us, nothing that we asked for
    }
    // The proof of a conflict, asked for or found by the remote.
    request = Request{&peer, ConflictProbe(links_.replica.head(), session.remote().sync.length), 0,
                      Now()};
  } else {
    request = requests_.Find(data.request);
    if (!request || request->peer != &peer) {
      return {};  // cancelled, or overtaken and forgotten
    }
    OnAnswered(peer, *request);
    if (hashing_.Take(data)) {
      return {};
    }
  }
  Receive(session, *request, data, nullptr);
  return {};
}

// The peer may have gone meanwhile, or the block may have come from another.
void Downloader::OnHashed(const DataMessage& data, const Hash& leaf_hash) {
  const std::optional<Request> request = requests_.Find(data.request);
  if (request && !frozen_) {
    Receive(request->peer->session, *request, data, &leaf_hash);
  }
}

void Downloader::Receive(CoreSession& session, const Request& request, const DataMessage& data,
                         const Hash* leaf_hash) {
  if (links_.replica.full()) {
    if (const Result<void> committed = Commit(); !committed) {
      Trouble(committed.error());
    }
  }
  const Result<ReceiveVerdict> verdict =
      links_.replica.Receive(request.proof, data.proof, leaf_hash);
  if (data.request != 0) {
    Release(data.request, !verdict || !std::holds_alternative<ProofStaged>(*verdict));
  }
  if (!verdict) {
    Trouble(verdict.error());
    return;
  }
  Judge(*request.peer, request, data, *verdict);
  // Judging may have ended the peer.
  if (peers_.contains(&session)) {
    Fill(*peers_.at(&session));
  }
}

void Downloader::Judge(Peer& peer, const Request& request, const DataMessage& data,
                       const ReceiveVerdict& verdict) {
  if (const auto* staged = std::get_if<ProofStaged>(&verdict)) {
    OnStaged(peer, request, data, *staged);
  } else if (const auto* refused = std::get_if<ProofRefused>(&verdict)) {
    OnRefused(peer, request, *refused);
  } else if (const auto* stale = std::get_if<ProofStale>(&verdict)) {
    Log("replication")->debug("stale answer: {}", stale->why);
  } else if (const auto* fork = std::get_if<ForkAhead>(&verdict)) {
    peer.forked = true;
    links_.listener.OnForkAhead(*fork);
  } else if (const auto* conflict = std::get_if<TreeConflict>(&verdict)) {
    OnConflict(*conflict);
  }
}

void Downloader::OnConflict(const TreeConflict& conflict) {
  frozen_ = true;
  UpdateDownloading();
  const std::vector<FetchCallback> callbacks = wanted_.TakeAllFetches();
  links_.freeze(conflict);
  links_.listener.OnConflict(conflict);
  for (const FetchCallback& callback : callbacks) {
    callback(Error{ErrorCode::kCancelled, "the owner signed two trees"});
  }
}

void Downloader::OnStaged(Peer& peer, const Request& request, const DataMessage& data,
                          const ProofStaged& staged) {
  if (staged.block) {
    const std::uint64_t bytes = data.proof.block->value.view().size();
    ++statistics_.blocks_received;
    statistics_.bytes_received += bytes;
    peer.OnBlock(bytes);
  } else if (request.proof.block) {
    ++statistics_.blocks_twice;
  }
  commits_.OnStaged();
  if (staged.upgraded || requests_.empty()) {
    commits_.CommitSoon();
  } else {
    commits_.CommitIfDue();
  }
  if (data.proof.block && request.proof.block) {
    const BlockIndex block = data.proof.block->index;
    CancelOthers(block);
    Deliver(block, data.proof.block->value.view());
  }
  if (staged.upgraded) {
    FillAll();
  }
}

// Whoever else was asked need not answer.
void Downloader::CancelOthers(BlockIndex block) {
  for (const std::uint64_t id : requests_.OfBlock(block)) {
    requests_.SessionOf(id).SendCancel(id);
    Release(id, false);
  }
}

void Downloader::Deliver(BlockIndex block, ByteView value) {
  const std::vector<FetchCallback> callbacks = wanted_.TakeFetchesOf(block);
  if (!callbacks.empty()) {
    UpdateDownloading();
  }
  for (const FetchCallback& callback : callbacks) {
    callback(ToBytes(value));
  }
}

void Downloader::OnRefused(Peer& peer, const Request& request, const ProofRefused& refused) {
  if (refused.fault == ProofFault::kSignature && request.proof.upgrade && !peer.probed &&
      links_.replica.head().length > 0) {
    // Perhaps it is the owner who lied: signed two trees. The peer can prove that.
    peer.probed = true;
    peer.upgrade_refused = peer.session.remote().sync.length;
    RequestMessage probe;
    probe.proof = ConflictProbe(links_.replica.head(), peer.session.remote().sync.length);
    peer.session.SendRequest(probe);
    return;
  }
  ++statistics_.liars;
  const PublicKey key = peer.session.stream().remote_public_key();
  links_.listener.OnLiar(key, refused);
  DropPeer(peer, DataLoss("its answer does not verify (" +
                          std::string(ProofFaultName(refused.fault)) + "): " + refused.why));
}

void Downloader::DropPeer(Peer& peer, const Error& reason) const {
  Log("replication")
      ->warn("core {}: peer dropped: {}", CoreKeyId(links_.replica.key()), reason.message);
  links_.drop_peer(peer.session, reason);  // OnGone comes from within
}

Result<void> Downloader::OnNoData(CoreSession& session, const NoDataMessage& no_data) {
  const auto at = peers_.find(&session);
  if (at == peers_.end()) {
    return {};
  }
  Peer& peer = *at->second;
  const std::optional<Request> request = requests_.Find(no_data.request);
  if (!request || request->peer != &peer) {
    return {};
  }
  OnAnswered(peer, *request);
  ++peer.no_data;
  if (request->proof.upgrade) {
    peer.upgrade_refused = session.remote().sync.length;
  }
  if (request->proof.block) {
    peer.denied.insert(request->proof.block->index);  // at most kNoDataMax
  }
  Release(no_data.request, true);
  FillAll();
  return {};
}

// -- Commits

void Downloader::OnCommitted(const ReplicaCore::Committed& committed, bool longer) {
  if (longer) {
    links_.announce();
    links_.listener.OnHead(committed.head);
    ConfirmHead();  // whoever waits for it finds the new one
  }
  for (const BlockRange& blocks : committed.blocks) {
    links_.announce_blocks(blocks);
    links_.listener.OnBlocks(blocks);
  }
  CompleteSelections();
  FillAll();
}

void Downloader::CompleteSelections() {
  const std::vector<std::function<void()>> done = wanted_.TakeComplete(links_.replica);
  if (!done.empty()) {
    UpdateDownloading();
  }
  for (const auto& on_complete : done) {
    if (on_complete) {
      on_complete();
    }
  }
}

void Downloader::ConfirmHead() {
  const bool first = !statistics_.head_confirmed;
  statistics_.head_confirmed = Now();
  if (first) {
    links_.listener.OnHeadConfirmed();
  }
}

// -- Time

void Downloader::Trouble(const Error& error) {
  if (!paused_until_) {
    paused_until_ = Now() + kTroublePause;
    links_.listener.OnTrouble(error);
  }
}

void Downloader::SetOvertaken(Peer& peer, bool overtaken) {
  if (std::exchange(peer.overtaken, overtaken) != overtaken) {
    overtaken_ = overtaken ? overtaken_ + 1 : overtaken_ - 1;
  }
}

void Downloader::CheckSilence(Peer& peer) {
  const milliseconds silence = peer.Silence(Now());
  if (silence >= kPeerDroppedAfter) {
    ++statistics_.peers_dropped;
    DropPeer(peer,
             Error{ErrorCode::kDeadlineExceeded, "owes " + std::to_string(peer.requests.size()) +
                                                     " answers and sent nothing for " +
                                                     std::to_string(silence.count()) + " ms"});
    return;
  }
  if (silence >= peer.Patience() && !peer.overtaken) {
    SetOvertaken(peer, true);
    ++statistics_.peers_overtaken;
    requests_.GiveUpUpgradeOf(peer);
    for (const BlockIndex block : requests_.BlocksOf(peer)) {
      wanted_.WantAgain(block);
    }
    FillAll();
  }
}

milliseconds Downloader::Tick() {
  if (paused_until_ && Now() >= *paused_until_) {
    paused_until_.reset();
    FillAll();
  }
  commits_.CommitIfDue();
  std::vector<CoreSession*> sessions;
  sessions.reserve(peers_.size());
  for (const auto& [session, peer] : peers_) {
    sessions.push_back(session);
  }
  for (CoreSession* const session : sessions) {
    if (const auto found = peers_.find(session); found != peers_.end()) {
      CheckSilence(*found->second);
    }
  }
  UpdateDownloading();
  constexpr milliseconds kBusy{100};
  constexpr milliseconds kIdle{1000};
  return !requests_.empty() || commits_.pending() || paused_until_ ? kBusy : kIdle;
}

}  // namespace hnx::hyper
