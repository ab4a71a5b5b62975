#include "hyper/core/replica_core.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "hyper/core/hashed_proof.h"
#include "hyper/core/recorded_core.h"
#include "hyper/core/staged_batch.h"
#include "hyper/core/staged_nodes.h"

namespace hnx::hyper {

class ReplicaCore::Impl : public RecordedCore {
 public:
  Impl(std::unique_ptr<CoreStorage> storage_in, std::unique_ptr<CoreView> view_in,
       OplogWriter oplog_in)
      : RecordedCore(std::move(storage_in), std::move(view_in), oplog_in),
        nodes(view->nodes()),
        identity(view->identity()) {}

  const VerifiedProof::Upgrade* last_upgrade() const {
    return staged.upgrade ? &*staged.upgrade : committing.upgrade ? &*committing.upgrade : nullptr;
  }
  const CoreHead& staged_head() const {
    return last_upgrade() != nullptr ? last_upgrade()->head : view->head();
  }
  const MerkleTree& staged_tree() const {
    return last_upgrade() != nullptr ? last_upgrade()->tree : view->tree();
  }
  TreeState StagedState() { return {identity, staged_head(), staged_tree(), nodes}; }
  bool anything_staged() const {
    return !staged.empty() || nodes.staged().size() > nodes_committing || manifest_staged();
  }
  bool is_staged(BlockIndex block) const {
    return staged.blocks.contains(block) || committing.blocks.contains(block);
  }
  std::uint64_t uncommitted_bytes() const { return staged.bytes + committing.bytes; }
  std::size_t uncommitted_blocks() const { return staged.blocks.size() + committing.blocks.size(); }
  bool manifest_staged() const { return identity.manifest && !view->identity().manifest; }
  bool full() const {
    return uncommitted_bytes() >= kReplicaStagedBytesMax ||
           uncommitted_blocks() >= kReplicaStagedBlocksMax ||
           nodes.staged().size() >= kReplicaStagedNodesMax;
  }
  bool commit_due() const {
    return staged.bytes >= kReplicaCommitBytes || staged.blocks.size() >= kReplicaCommitBlocks ||
           nodes.staged().size() - nodes_committing >= kReplicaCommitNodes;
  }
  Result<void> NotCommitting() const {
    return is_committing ? Result<void>(OutOfOrder("a commit is under way")) : Result<void>();
  }

  Result<ReceiveVerdict> Receive(const ProofRequest& request, const Proof& proof,
                                 const Hash* leaf_hash);
  Result<ProofStaged> Stage(VerifiedProof verified, const Proof& proof);
  // Writes the block to its place; false when it is there already.
  Result<bool> StageBlock(BlockIndex block, ByteView value);
  Result<std::unique_ptr<CommitWork>> BeginCommit();
  Result<std::vector<BlockRange>> EndCommit(const CommitWork& work);
  Result<void> CommitManifest();
  void ForgetStaged();
  Result<std::uint64_t> MissingNodes(TreeIndex node);

  StagedNodes nodes;
  CoreIdentity identity;  // with a staged manifest
  StagedBatch staged;
  // Between BeginCommit and EndCommit: what the commit under way holds.
  StagedBatch committing;
  std::size_t nodes_committing = 0;
  bool is_committing = false;
  bool manifest_in_header = true;
};

Result<bool> ReplicaCore::Impl::StageBlock(BlockIndex block, ByteView value) {
  HNX_ASSIGN_OR_RETURN(const bool committed, view->Has(block));
  if (committed || is_staged(block)) {
    return false;
  }
  HNX_ASSIGN_OR_RETURN(const ByteRange place, nodes.Locate(staged_tree(), block));
  if (place.length() != value.size()) {
    return DataLoss("core " + storage->Name() + ": tree says that block " +
                    std::to_string(block.value()) + " has " + std::to_string(place.length()) +
                    " bytes, it has " + std::to_string(value.size()));
  }
  if (!value.empty()) {
    HNX_TRY(storage->Write(CoreFile::kData, place.begin.value(), value));
  }
  staged.blocks.insert(block);
  staged.bytes += value.size();
  return true;
}

Result<ProofStaged> ReplicaCore::Impl::Stage(VerifiedProof verified, const Proof& proof) {
  std::vector<TreeIndex> new_nodes;
  const auto undo = [&, upgrade_before = staged.upgrade] {
    for (const TreeIndex index : new_nodes) {
      nodes.Unstage(index);
    }
    staged.upgrade = upgrade_before;
  };
  for (const TreeNode& node : verified.nodes) {
    Result<TreeNode> held = nodes.Get(node.index);
    if (!held) {
      undo();
      return std::move(held).error();
    }
    if (held->blank() && nodes.Stage(node)) {
      new_nodes.push_back(node.index);
    }
  }
  ProofStaged news;
  if (verified.upgrade) {
    staged.upgrade = std::move(verified.upgrade);
    news.upgraded = true;
  }
  if (verified.block) {
    Result<bool> added = StageBlock(*verified.block, proof.block->value.view());
    if (!added) {
      undo();
      return std::move(added).error();
    }
    news.block = *added ? verified.block : std::nullopt;
  }
  if (verified.manifest) {
    identity.manifest = std::move(verified.manifest);
    news.manifest = true;
  }
  return news;
}

Result<ReceiveVerdict> ReplicaCore::Impl::Receive(const ProofRequest& request, const Proof& proof,
                                                  const Hash* leaf_hash) {
  HNX_TRY(Usable());
  if (full()) {
    return ResourceExhausted("core " + storage->Name() + ": " +
                             std::to_string(uncommitted_bytes()) + " bytes in " +
                             std::to_string(uncommitted_blocks()) +
                             " blocks are staged; commit them before receiving more");
  }
  const TreeState state = StagedState();
  HNX_ASSIGN_OR_RETURN(ProofVerdict verdict, VerifyHashedProof(state, request, proof, leaf_hash));
  if (auto* refused = std::get_if<ProofRefused>(&verdict)) {
    return ReceiveVerdict(std::move(*refused));
  }
  if (auto* stale = std::get_if<ProofStale>(&verdict)) {
    return ReceiveVerdict(std::move(*stale));
  }
  if (auto* ahead = std::get_if<ForkAhead>(&verdict)) {
    return ReceiveVerdict(*ahead);
  }
  if (auto* conflict = std::get_if<TreeConflict>(&verdict)) {
    return ReceiveVerdict(std::move(*conflict));
  }
  HNX_ASSIGN_OR_RETURN(const ProofStaged news,
                       Stage(std::get<VerifiedProof>(std::move(verdict)), proof));
  return ReceiveVerdict(news);
}

// An entry cannot hold a manifest, so it goes into the header, before anything that needs it. It is
// as true as the key, whatever becomes of the rest.
Result<void> ReplicaCore::Impl::CommitManifest() {
  if (manifest_staged()) {
    view->LearnManifest(*identity.manifest);
    manifest_in_header = false;
  }
  if (!manifest_in_header) {
    HNX_TRY(Flush());
    manifest_in_header = true;
  }
  return {};
}

void ReplicaCore::Impl::ForgetStaged() {
  nodes.Clear();
  staged = StagedBatch();
  identity = view->identity();
}

Result<std::unique_ptr<ReplicaCore::CommitWork>> ReplicaCore::Impl::BeginCommit() {
  HNX_TRY(Usable());
  HNX_TRY(NotCommitting());
  HNX_TRY(CommitManifest());
  std::vector<OplogEntry> entries = staged.Entries(nodes, view->head().length);
  if (entries.empty()) {
    return std::unique_ptr<CommitWork>();
  }
  committing = std::exchange(staged, StagedBatch());
  nodes_committing = nodes.staged().size();
  is_committing = true;
  return BeginRecord(std::move(entries), committing.bytes > 0);
}

Result<std::vector<BlockRange>> ReplicaCore::Impl::EndCommit(const CommitWork& work) {
  HNX_CHECK(std::exchange(is_committing, false));
  nodes_committing = 0;
  const Result<void> ended =
      EndRecord(work, committing.upgrade ? committing.upgrade->tree : view->tree());
  if (!ended) {
    committing.Append(std::exchange(staged, StagedBatch()));
    staged = std::exchange(committing, StagedBatch());
    return ended.error();
  }
  for (const OplogEntry& entry : work.entries()) {
    for (const TreeNode& node : entry.nodes) {
      nodes.Unstage(node.index);
    }
  }
  return std::exchange(committing, StagedBatch()).Ranges();
}

Result<std::uint64_t> ReplicaCore::Impl::MissingNodes(TreeIndex node) {
  const std::uint64_t slots = flat_tree::SlotCount(staged_head().length);
  std::uint64_t missing = 0;
  for (TreeIndex at = node; flat_tree::RightSpan(at).value() < slots; at = flat_tree::Parent(at)) {
    HNX_ASSIGN_OR_RETURN(const TreeNode held, nodes.Get(at));
    if (!held.blank()) {
      break;
    }
    ++missing;
  }
  return missing;
}

ReplicaCore::ReplicaCore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ReplicaCore::~ReplicaCore() = default;

Result<std::unique_ptr<ReplicaCore>> ReplicaCore::Create(std::unique_ptr<CoreStorage> storage,
                                                         const CoreKey& key) {
  OplogHeader header;
  header.key = key;
  HNX_ASSIGN_OR_RETURN(const OplogWriter oplog, RecordedCore::MakeFiles(*storage, header));
  auto view = CoreView::Empty(*storage, std::move(header));
  return std::unique_ptr<ReplicaCore>(
      new ReplicaCore(std::make_unique<Impl>(std::move(storage), std::move(view), oplog)));
}

Result<std::unique_ptr<ReplicaCore>> ReplicaCore::Open(std::unique_ptr<CoreStorage> storage) {
  HNX_ASSIGN_OR_RETURN(std::unique_ptr<CoreView> view, CoreView::Load(*storage));
  if (view->header().key_pair && view->header().key_pair->secret_key) {
    return FailedPrecondition("open core " + storage->Name() +
                              " as a replica: its secret key is here; open it as our own");
  }
  const OplogWriter oplog(*storage, view->loaded());
  auto impl = std::make_unique<Impl>(std::move(storage), std::move(view), oplog);
  HNX_TRY(impl->Repair());
  return std::unique_ptr<ReplicaCore>(new ReplicaCore(std::move(impl)));
}

const CoreKey& ReplicaCore::key() const {
  return impl_->view->identity().key;
}

const DiscoveryKey& ReplicaCore::discovery_key() const {
  return impl_->view->discovery_key();
}

const std::optional<Manifest>& ReplicaCore::manifest() const {
  return impl_->view->identity().manifest;
}

const OpenReport& ReplicaCore::open_report() const {
  return impl_->report;
}

std::string ReplicaCore::name() const {
  return impl_->storage->Name();
}

const CoreHead& ReplicaCore::head() const {
  return impl_->view->head();
}

const CoreHead& ReplicaCore::staged_head() const {
  return impl_->staged_head();
}

Result<bool> ReplicaCore::Has(BlockIndex block) {
  return impl_->view->Has(block);
}

Result<bool> ReplicaCore::HasAll(BlockRange blocks) {
  if (blocks.end.value() > length()) {
    return blocks.empty();
  }
  HNX_ASSIGN_OR_RETURN(const BlockIndex gap, NextAbsent(blocks));
  return gap == blocks.end;
}

std::uint64_t ReplicaCore::contiguous_length() const {
  return impl_->view->header().contiguous_length;
}

Result<BlockIndex> ReplicaCore::NextPresent(BlockRange blocks) {
  const BlockIndex end = std::min(blocks.end, BlockIndex(length()));
  if (blocks.begin >= end) {
    return blocks.end;
  }
  HNX_ASSIGN_OR_RETURN(const BlockIndex found, impl_->view->bits().Find(true, {blocks.begin, end}));
  return found < end ? found : blocks.end;
}

Result<BlockIndex> ReplicaCore::NextAbsent(BlockRange blocks) {
  const BlockIndex end = std::min(blocks.end, BlockIndex(length()));
  if (blocks.begin >= end) {
    return std::min(blocks.begin, blocks.end);
  }
  return impl_->view->bits().Find(false, {blocks.begin, end});
}

Result<BlockIndex> ReplicaCore::NextMissing(BlockRange blocks) {
  BlockIndex at = blocks.begin;
  for (;;) {
    HNX_ASSIGN_OR_RETURN(at, NextAbsent({at, blocks.end}));
    if (at >= blocks.end || !impl_->is_staged(at)) {
      return at;
    }
    ++at;
  }
}

Result<std::uint64_t> ReplicaCore::MissingNodes(TreeIndex node) {
  return impl_->MissingNodes(node);
}

Result<ProofRequest> ReplicaCore::RequestUpgrade(std::uint64_t remote_length) {
  const CoreHead& ours = staged_head();
  if (remote_length <= ours.length || remote_length > flat_tree::kBlocksMax) {
    return InvalidArgument("core " + name() + ": an upgrade from " + std::to_string(ours.length) +
                           " to " + std::to_string(remote_length) + " blocks");
  }
  ProofRequest request;
  request.fork = ours.fork;
  request.upgrade = UpgradeRequest{ours.length, remote_length - ours.length};
  request.manifest = !impl_->identity.manifest;
  return request;
}

Result<ProofRequest> ReplicaCore::RequestBlock(BlockIndex block, std::uint64_t remote_length) {
  const CoreHead& ours = staged_head();
  ProofRequest request;
  request.fork = ours.fork;
  request.block = BlockRequest{block, 0};
  if (block.value() < ours.length) {
    HNX_ASSIGN_OR_RETURN(request.block->nodes, MissingNodes(flat_tree::LeafOf(block)));
    return request;
  }
  if (block.value() >= remote_length) {
    return InvalidArgument("core " + name() + ": block " + std::to_string(block.value()) +
                           " of a peer that has " + std::to_string(remote_length));
  }
  HNX_ASSIGN_OR_RETURN(ProofRequest with_upgrade, RequestUpgrade(remote_length));
  with_upgrade.block = request.block;
  return with_upgrade;
}

Result<ReceiveVerdict> ReplicaCore::Receive(const ProofRequest& request, const Proof& proof,
                                            const Hash* leaf_hash) {
  return impl_->Receive(request, proof, leaf_hash);
}

Result<ReplicaCore::Committed> ReplicaCore::Commit() {
  HNX_ASSIGN_OR_RETURN(const std::unique_ptr<CommitWork> work, BeginCommit());
  if (work == nullptr) {
    return Committed{head(), {}};
  }
  work->Run();
  HNX_ASSIGN_OR_RETURN(Committed committed, EndCommit(*work));
  impl_->FlushIfDue();
  return committed;
}

Result<std::unique_ptr<ReplicaCore::CommitWork>> ReplicaCore::BeginCommit() {
  return impl_->BeginCommit();
}

Result<ReplicaCore::Committed> ReplicaCore::EndCommit(const CommitWork& work) {
  HNX_ASSIGN_OR_RETURN(std::vector<BlockRange> added, impl_->EndCommit(work));
  return Committed{head(), std::move(added)};
}

bool ReplicaCore::full() const {
  return impl_->full();
}

bool ReplicaCore::anything_staged() const {
  return impl_->anything_staged();
}

bool ReplicaCore::commit_due() const {
  return impl_->commit_due();
}

std::uint64_t ReplicaCore::staged_bytes() const {
  return impl_->uncommitted_bytes();
}

Result<void> ReplicaCore::DropStaged() {
  HNX_TRY(impl_->Usable());
  HNX_TRY(impl_->NotCommitting());
  for (const BlockIndex block : impl_->staged.blocks) {
    HNX_ASSIGN_OR_RETURN(const ByteRange place, impl_->nodes.Locate(impl_->staged_tree(), block));
    if (!place.empty()) {
      HNX_TRY(impl_->storage->PunchHole(CoreFile::kData, place.begin.value(), place.length()));
    }
  }
  impl_->ForgetStaged();
  HNX_ASSIGN_OR_RETURN(const std::uint64_t data_bytes, impl_->storage->Size(CoreFile::kData));
  if (data_bytes > byte_length()) {
    HNX_TRY(impl_->storage->Truncate(CoreFile::kData, byte_length()));
  }
  return {};
}

Result<Bytes> ReplicaCore::Get(BlockIndex block) {
  return impl_->view->Get(block);
}

Result<Bytes> ReplicaCore::GetStaged(BlockIndex block) {
  if (!impl_->is_staged(block)) {
    return Get(block);
  }
  HNX_ASSIGN_OR_RETURN(const ByteRange place, impl_->nodes.Locate(impl_->staged_tree(), block));
  Bytes bytes(place.length());
  HNX_TRY(ReadExactly(*impl_->storage, CoreFile::kData, place.begin.value(), bytes));
  HNX_TRY(impl_->nodes.VerifyLeaf(impl_->staged_tree(),
                                  {flat_tree::LeafOf(block), bytes.size(), LeafHash(bytes)}));
  return bytes;
}

Result<ByteRange> ReplicaCore::Locate(BlockIndex block) {
  return impl_->view->Locate(block);
}

Result<void> ReplicaCore::ReadBytes(ByteOffset at, std::span<std::byte> out) {
  return impl_->view->ReadBytes(at, out);
}

Result<Proof> ReplicaCore::Prove(const ProofRequest& request, BlockBytes block_bytes) {
  return BuildProof(*impl_->view, request, block_bytes);
}

Result<void> ReplicaCore::Clear(BlockRange blocks, LockWait wait) {
  // A hole may reach over absent neighbours, which must not be about to become present.
  HNX_TRY(impl_->NotCommitting());
  if (!impl_->staged.blocks.empty()) {
    return impl_->OutOfOrder("blocks are staged; commit them before others are cleared");
  }
  return impl_->Clear(blocks, wait);
}

Result<void> ReplicaCore::Flush() {
  HNX_TRY(impl_->NotCommitting());
  return impl_->Flush();
}

Result<AuditReport> ReplicaCore::Audit() {
  HNX_TRY(Flush());
  return AuditCore(*impl_->storage);
}

}  // namespace hnx::hyper
