#include "hyper/replication/downloader.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/log.h"

namespace hnx::hyper {
namespace {

using std::chrono::milliseconds;

// Fetches that one peer is tried for before its turn goes to selections.
constexpr int kFetchTriesMax = 256;
// Fetches of the same block, or a block in flight: how often at most.
constexpr std::size_t kAskedTwiceMax = 2;
constexpr std::uint64_t kBlockBytesGuess = std::uint64_t{64} << 10;

}  // namespace

struct Downloader::Peer {
  explicit Peer(CoreSession& session_in) : session(session_in) {}

  CoreSession& session;
  std::set<std::uint64_t> requests;
  std::size_t window = kPeerWindowStart;
  double latency_ms = 0;  // of answers, smoothed
  double latency_min_ms = 0;
  std::uint64_t mean_block_bytes = kBlockBytesGuess;
  // When it last showed a sign of life while it owed something.
  Clock::SteadyTime heard;
  std::uint64_t bytes_seen = 0;
  bool overtaken = false;
  bool forked = false;
  bool probed = false;                           // was asked for the proof of a conflict
  std::optional<std::uint64_t> upgrade_refused;  // at that remote length
  std::set<BlockIndex> denied;                   // it said that it has them, and had not
  std::size_t no_data = 0;
};

struct Downloader::Request {
  Peer* peer = nullptr;
  ProofRequest proof;
  int priority = 0;
  Clock::SteadyTime sent;
};

struct Downloader::Wanted {
  Selection selection;
  // All before are here, in flight or were asked for once.
  BlockIndex next;
};

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
  const auto fetches = std::exchange(fetches_, {});
  for (const auto& [id, fetch] : fetches) {
    fetch.callback(Error{ErrorCode::kCancelled, "the download ended"});
  }
}

// -- Wanting

void Downloader::UpdateDownloading() {
  const bool wants = follow_ || !selections_.empty() || !fetches_.empty();
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
  if (selections_.size() >= kSelectionsMax) {
    return ResourceExhausted("select blocks: more than " + std::to_string(kSelectionsMax) +
                             " selections");
  }
  const SelectionId id = ++last_id_;
  auto wanted = std::make_unique<Wanted>();
  wanted->next = selection.blocks.begin;
  selection_order_.emplace(-selection.priority, id);
  wanted->selection = std::move(selection);
  selections_.emplace(id, std::move(wanted));
  UpdateDownloading();
  CompleteSelections();
  FillAll();
  return id;
}

void Downloader::Deselect(SelectionId id) {
  const auto found = selections_.find(id);
  if (found != selections_.end()) {
    selection_order_.erase({-found->second->selection.priority, id});
    selections_.erase(found);
    UpdateDownloading();
  }
}

Result<FetchId> Downloader::Fetch(BlockIndex block, int priority, FetchCallback callback) {
  if (fetches_.size() >= kFetchesMax) {
    return ResourceExhausted("fetch block " + std::to_string(block.value()) + ": more than " +
                             std::to_string(kFetchesMax) + " fetches");
  }
  if (frozen_) {
    return FailedPrecondition("fetch block " + std::to_string(block.value()) +
                              ": the owner signed two trees, the core is frozen");
  }
  const FetchId id = ++last_id_;
  HNX_ASSIGN_OR_RETURN(const BlockIndex missing, links_.replica.NextMissing({block, block + 1}));
  if (missing != block) {
    callback(links_.replica.GetStaged(block));
    return id;
  }
  fetches_.emplace(id, FetchEntry{block, priority, std::move(callback)});
  fetches_by_block_.emplace(block, id);
  fetches_unasked_.emplace(-priority, id);
  UpdateDownloading();
  FillAll();
  return id;
}

void Downloader::CancelFetch(FetchId id) {
  const auto found = fetches_.find(id);
  if (found == fetches_.end()) {
    return;
  }
  const auto [first, last] = fetches_by_block_.equal_range(found->second.block);
  for (auto at = first; at != last; ++at) {
    if (at->second == id) {
      fetches_by_block_.erase(at);
      break;
    }
  }
  fetches_unasked_.erase({-found->second.priority, id});
  fetches_.erase(found);
  UpdateDownloading();
}

// -- Peers come and go

void Downloader::OnOpened(CoreSession& session) {
  auto& peer = peers_[&session];
  if (!peer) {
    peer = std::make_unique<Peer>(session);
    peer->heard = Now();
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

bool Downloader::InFlight(BlockIndex block) const {
  const auto [first, last] = blocks_in_flight_.equal_range(block);
  return std::any_of(first, last, [this](const auto& entry) {
    return !requests_.at(entry.second).peer->overtaken;
  });
}

void Downloader::Send(Peer& peer, const ProofRequest& proof, int priority) {
  const std::uint64_t id = ++last_request_;
  if (proof.block) {
    blocks_in_flight_.emplace(proof.block->index, id);
  }
  if (proof.upgrade) {
    upgrade_in_flight_ = id;
  }
  if (peer.requests.empty()) {
    peer.heard = Now();
    peer.bytes_seen = peer.session.stream().statistics().bytes_in;
  }
  peer.requests.insert(id);
  RequestMessage message;
  message.id = id;
  message.priority = static_cast<std::uint64_t>(std::max(priority, 0));
  message.proof = proof;
  requests_.emplace(id, Request{&peer, proof, priority, Now()});
  peer.session.SendRequest(message);
}

void Downloader::Release(std::uint64_t id, bool want_again) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) {
    return;
  }
  const Request request = found->second;
  requests_.erase(found);
  request.peer->requests.erase(id);
  if (upgrade_in_flight_ == id) {
    upgrade_in_flight_.reset();
  }
  if (request.proof.block) {
    const auto [first, last] = blocks_in_flight_.equal_range(request.proof.block->index);
    for (auto at = first; at != last; ++at) {
      if (at->second == id) {
        blocks_in_flight_.erase(at);
        break;
      }
    }
    if (want_again) {
      WantAgain(request.proof.block->index);
    }
  }
}

void Downloader::WantAgain(BlockIndex block) {
  for (auto& [id, wanted] : selections_) {
    if (wanted->selection.blocks.begin <= block && block < wanted->next) {
      wanted->next = block;
    }
  }
  const auto [first, last] = fetches_by_block_.equal_range(block);
  for (auto at = first; at != last; ++at) {
    fetches_unasked_.emplace(-fetches_.at(at->second).priority, at->second);
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
    return !upgrade_in_flight_ && theirs.can_upgrade && peer.session.length_acknowledged() &&
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
  const bool needed = follow_ || !fetches_.empty() || !selections_.empty();
  const bool committing = links_.replica.staged_head().length != ours.length;
  if (!needed || committing || upgrade_in_flight_ || theirs.fork != ours.fork ||
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
  int tries = 0;
  for (auto at = fetches_unasked_.begin(); at != fetches_unasked_.end();) {
    if (++tries > kFetchTriesMax) {
      return false;
    }
    const FetchEntry& fetch = fetches_.at(at->second);
    if (InFlight(fetch.block)) {
      at = fetches_unasked_.erase(at);
      continue;
    }
    if (!peer.session.remote_blocks().Has(fetch.block)) {
      if (fetch.block.value() < peer.session.remote().sync.length) {
        peer.session.WantAround(fetch.block);
      }
      ++at;
      continue;
    }
    if (!CanAsk(peer, fetch.block)) {
      ++at;
      continue;
    }
    const BlockIndex block = fetch.block;
    const int priority = fetch.priority;
    fetches_unasked_.erase(at);
    return AskBlock(peer, block, priority);
  }
  return false;
}

// The lowest block of a selection that is missing, not under way, and at this peer.
std::optional<BlockIndex> Downloader::NextOf(Wanted& wanted, Peer& peer) {
  const std::uint64_t length =
      std::min(links_.replica.staged_head().length, peer.session.remote().sync.length);
  const BlockIndex end = wanted.selection.to_head
                             ? BlockIndex(length)
                             : std::min(wanted.selection.blocks.end, BlockIndex(length));
  bool first = true;
  for (BlockIndex at = wanted.next; at < end;) {
    const Result<BlockIndex> missing = links_.replica.NextMissing({at, end});
    if (!missing) {
      Trouble(missing.error());
      return std::nullopt;
    }
    at = *missing;
    if (first) {
      wanted.next = std::max(wanted.next, at);
    }
    if (at >= end) {
      return std::nullopt;
    }
    if (InFlight(at)) {
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
      wanted.next = at + 1;
    }
    return at;
  }
  return std::nullopt;
}

bool Downloader::AskSelection(Peer& peer) {
  for (const auto& [order, id] : selection_order_) {
    Wanted& wanted = *selections_.at(id);
    const std::optional<BlockIndex> block = NextOf(wanted, peer);
    if (block) {
      return AskBlock(peer, *block, 0);
    }
  }
  return false;
}

// With nothing else to do: what another, silent peer owes.
bool Downloader::AskOvertaken(Peer& peer) {
  if (overtaken_ == 0) {
    return false;
  }
  for (const auto& [block, id] : blocks_in_flight_) {
    const Request& request = requests_.at(id);
    if (request.peer == &peer || !request.peer->overtaken ||
        blocks_in_flight_.count(block) >= kAskedTwiceMax ||
        !peer.session.remote_blocks().Has(block) || !CanAsk(peer, block)) {
      continue;
    }
    return AskBlock(peer, block, request.priority);
  }
  return false;
}

bool Downloader::AskNext(Peer& peer) {
  return AskFetch(peer) || AskUpgrade(peer) || AskOvertaken(peer) || AskSelection(peer);
}

void Downloader::Fill(Peer& peer) {
  if (!downloading_ || paused_until_ || peer.forked || peer.overtaken ||
      peer.no_data >= kNoDataMax || peer.session.closed() || !peer.session.remote().synced ||
      !peer.session.remote().sync.uploading ||
      links_.replica.staged_bytes() >= kUncommittedBytesMax) {
    return;
  }
  const std::size_t by_bytes = static_cast<std::size_t>(
      kPeerWindowBytesMax / std::max<std::uint64_t>(peer.mean_block_bytes, 1) + 1);
  const std::size_t window = std::min(peer.window, by_bytes);
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

// The window grows while answers come as fast as they ever did.
void Downloader::OnAnswered(Peer& peer, const Request& request) {
  const double took = std::chrono::duration<double, std::milli>(Now() - request.sent).count();
  peer.latency_ms = peer.latency_ms == 0 ? took : 0.875 * peer.latency_ms + 0.125 * took;
  if (peer.latency_min_ms == 0 || took < peer.latency_min_ms) {
    peer.latency_min_ms = took;
  }
  if (took <= 2 * peer.latency_min_ms + 50) {
    peer.window = std::min(peer.window + 1, kPeerWindowMax);
  } else if (took > 8 * peer.latency_min_ms + 500) {
    peer.window = std::max(peer.window - 1, kPeerWindowMin);
  }
  peer.heard = Now();
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
    const auto found = requests_.find(data.request);
    if (found == requests_.end() || found->second.peer != &peer) {
      return {};  // cancelled, or overtaken and forgotten
    }
    request = found->second;
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
  const auto found = requests_.find(data.request);
  if (found != requests_.end() && !frozen_) {
    const Request request = found->second;
    Receive(request.peer->session, request, data, &leaf_hash);
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
    frozen_ = true;
    UpdateDownloading();
    const auto fetches = std::exchange(fetches_, {});
    fetches_by_block_.clear();
    fetches_unasked_.clear();
    links_.freeze(*conflict);
    links_.listener.OnConflict(*conflict);
    for (const auto& [id, fetch] : fetches) {
      fetch.callback(Error{ErrorCode::kCancelled, "the owner signed two trees"});
    }
  }
}

void Downloader::OnStaged(Peer& peer, const Request& request, const DataMessage& data,
                          const ProofStaged& staged) {
  if (staged.block) {
    const std::uint64_t bytes = data.proof.block->value.view().size();
    ++statistics_.blocks_received;
    statistics_.bytes_received += bytes;
    peer.mean_block_bytes = (7 * peer.mean_block_bytes + bytes) / 8;
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
    // Whoever else was asked need not answer.
    const BlockIndex block = data.proof.block->index;
    std::vector<std::uint64_t> others;
    const auto [first, last] = blocks_in_flight_.equal_range(block);
    for (auto at = first; at != last; ++at) {
      others.push_back(at->second);
    }
    for (const std::uint64_t id : others) {
      requests_.at(id).peer->session.SendCancel(id);
      Release(id, false);
    }
    Deliver(block, data.proof.block->value.view());
  }
  if (staged.upgraded) {
    FillAll();
  }
}

void Downloader::Deliver(BlockIndex block, ByteView value) {
  std::vector<FetchCallback> callbacks;
  const auto [first, last] = fetches_by_block_.equal_range(block);
  for (auto at = first; at != last; ++at) {
    const auto fetch = fetches_.find(at->second);
    fetches_unasked_.erase({-fetch->second.priority, at->second});
    callbacks.push_back(std::move(fetch->second.callback));
    fetches_.erase(fetch);
  }
  fetches_by_block_.erase(first, last);
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
  const auto found = requests_.find(no_data.request);
  if (no_data.request == 0 || found == requests_.end() || found->second.peer != &peer) {
    return {};
  }
  const Request request = found->second;
  OnAnswered(peer, request);
  ++peer.no_data;
  if (request.proof.upgrade) {
    peer.upgrade_refused = session.remote().sync.length;
  }
  if (request.proof.block) {
    peer.denied.insert(request.proof.block->index);  // at most kNoDataMax
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
  std::vector<std::function<void()>> done;
  for (auto at = selections_.begin(); at != selections_.end();) {
    const Selection& selection = at->second->selection;
    const Result<bool> all =
        selection.to_head ? Result<bool>(false) : links_.replica.HasAll(selection.blocks);
    if (all && *all) {
      if (selection.on_complete) {
        done.push_back(selection.on_complete);
      }
      selection_order_.erase({-selection.priority, at->first});
      at = selections_.erase(at);
    } else {
      ++at;
    }
  }
  if (!done.empty()) {
    UpdateDownloading();
  }
  for (const auto& callback : done) {
    callback();
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
  if (peer.requests.empty()) {
    return;
  }
  const std::uint64_t bytes = peer.session.stream().statistics().bytes_in;
  if (bytes != std::exchange(peer.bytes_seen, bytes)) {
    peer.heard = Now();
  }
  const auto silent = std::chrono::duration_cast<milliseconds>(Now() - peer.heard);
  if (silent >= kPeerDroppedAfter) {
    ++statistics_.peers_dropped;
    DropPeer(peer,
             Error{ErrorCode::kDeadlineExceeded, "owes " + std::to_string(peer.requests.size()) +
                                                     " answers and sent nothing for " +
                                                     std::to_string(silent.count()) + " ms"});
    return;
  }
  const auto patience = std::max(kPeerOvertakenAfter,
                                 milliseconds(static_cast<std::int64_t>(4 * peer.latency_min_ms)));
  if (silent >= patience && !peer.overtaken) {
    SetOvertaken(peer, true);
    ++statistics_.peers_overtaken;
    if (upgrade_in_flight_ && peer.requests.contains(*upgrade_in_flight_)) {
      upgrade_in_flight_.reset();
    }
    for (const std::uint64_t id : peer.requests) {
      if (const auto& block = requests_.at(id).proof.block) {
        WantAgain(block->index);
      }
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
