// Hypercore: staging blocks and committing them.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/crash_point.h"
#include "hyper/core/hypercore.h"
#include "hyper/core/hypercore_impl.h"

namespace hnx::hyper {

Result<void> Hypercore::Impl::StageWhole(ByteView bytes,
                                         std::span<const std::size_t> block_lengths) {
  const std::uint64_t begin = staged.tree.byte_length();
  if (begin + bytes.size() - view->head().byte_length > kStagedBytesMax) {
    return ResourceExhausted("core " + storage->Name() + ": more than " +
                             std::to_string(kStagedBytesMax) +
                             " bytes staged; commit before staging more");
  }
  if (!bytes.empty()) {
    HNX_TRY(storage->Write(CoreFile::kData, begin, bytes));
  }
  for (const std::size_t length : block_lengths) {
    staged.tree.Append(LeafHash(bytes.first(length)), length, staged.nodes);
    bytes = bytes.subspan(length);
  }
  HNX_CHECK(bytes.empty());
  return {};
}

Result<void> Hypercore::Impl::UnstageTo(const StagedBlocks& earlier) {
  prepared.reset();
  staged = earlier;
  Result<void> cut = storage->Truncate(CoreFile::kData, staged.tree.byte_length());
  broken = broken || !cut.has_value();
  return cut;
}

struct StagedAppend::State {
  Hypercore::Impl* core = nullptr;
  // What Abort returns to. The roots and the number of nodes are enough.
  MerkleTree tree_before;
  std::size_t nodes_before = 0;
  Bytes pending;  // less than a block
  std::uint64_t bytes_written = 0;
  bool open = true;
  bool failed = false;

  Result<void> StageFullBlocks(ByteView bytes) {
    const std::vector<std::size_t> lengths(bytes.size() / kStagedBlockBytes, kStagedBlockBytes);
    Result<void> staged = core->StageWhole(bytes, lengths);
    failed = failed || !staged.has_value();
    return staged;
  }

  Result<void> Abort() {
    HNX_CHECK(open);
    open = false;
    core->stream_open = false;
    StagedBlocks earlier{tree_before, std::move(core->staged.nodes)};
    earlier.nodes.resize(nodes_before);
    return core->UnstageTo(earlier);
  }
};

StagedAppend::StagedAppend(std::unique_ptr<State> state) : state_(std::move(state)) {}
StagedAppend::StagedAppend(StagedAppend&& other) noexcept = default;

StagedAppend& StagedAppend::operator=(StagedAppend&& other) noexcept {
  if (this != &other) {
    if (state_ && state_->open) {
      (void)state_->Abort();  // a failure marks the core as broken, which the next call reports
    }
    state_ = std::move(other.state_);
  }
  return *this;
}

StagedAppend::~StagedAppend() {
  if (state_ && state_->open) {
    (void)state_->Abort();  // as above
  }
}

Result<void> StagedAppend::Write(ByteView bytes) {
  HNX_CHECK(state_ && state_->open);
  if (state_->failed) {
    return state_->core->OutOfOrder("a staged write failed before; abort it");
  }
  state_->bytes_written += bytes.size();
  Bytes& pending = state_->pending;
  if (!pending.empty()) {
    const std::size_t taken = std::min(bytes.size(), kStagedBlockBytes - pending.size());
    AppendTo(pending, bytes.first(taken));
    bytes = bytes.subspan(taken);
    if (pending.size() < kStagedBlockBytes) {
      return {};
    }
    HNX_TRY(state_->StageFullBlocks(pending));
    pending.clear();
  }
  const std::size_t whole = bytes.size() / kStagedBlockBytes * kStagedBlockBytes;
  if (whole > 0) {
    HNX_TRY(state_->StageFullBlocks(bytes.first(whole)));
  }
  if (whole < bytes.size()) {
    pending.reserve(kStagedBlockBytes);
    AppendTo(pending, bytes.subspan(whole));
  }
  return {};
}

Result<StagedRange> StagedAppend::Finish() {
  HNX_CHECK(state_ && state_->open);
  if (state_->failed) {
    return state_->core->OutOfOrder("a staged write failed before; abort it");
  }
  if (!state_->pending.empty()) {
    const std::size_t length = state_->pending.size();
    Result<void> staged = state_->core->StageWhole(state_->pending, std::span(&length, 1));
    if (!staged) {
      state_->failed = true;
      return std::move(staged).error();
    }
  }
  state_->open = false;
  state_->core->stream_open = false;
  const MerkleTree& tree = state_->core->staged.tree;
  return StagedRange{{first_block(), BlockIndex(tree.length())},
                     {first_byte(), ByteOffset(tree.byte_length())}};
}

Result<void> StagedAppend::Abort() {
  HNX_CHECK(state_ && state_->open);
  return state_->Abort();
}

BlockIndex StagedAppend::first_block() const {
  return BlockIndex(state_->tree_before.length());
}

ByteOffset StagedAppend::first_byte() const {
  return ByteOffset(state_->tree_before.byte_length());
}

std::uint64_t StagedAppend::bytes_written() const {
  return state_->bytes_written;
}

std::uint64_t Hypercore::staged_length() const {
  return impl_->staged.tree.length();
}

std::uint64_t Hypercore::staged_byte_length() const {
  return impl_->staged.tree.byte_length();
}

Result<StagedAppend> Hypercore::Stage() {
  HNX_TRY(impl_->WritableNow());
  if (impl_->stream_open) {
    return impl_->OutOfOrder("another staged append is open");
  }
  impl_->stream_open = true;
  impl_->prepared.reset();
  auto state = std::make_unique<StagedAppend::State>();
  state->core = impl_.get();
  state->tree_before = impl_->staged.tree;
  state->nodes_before = impl_->staged.nodes.size();
  return StagedAppend(std::move(state));
}

Result<StagedRange> Hypercore::StageBlocks(std::span<const ByteView> blocks) {
  HNX_TRY(impl_->WritableNow());
  if (impl_->stream_open) {
    return impl_->OutOfOrder("a staged append is open");
  }
  impl_->prepared.reset();
  const MerkleTree before = impl_->staged.tree;
  Bytes together;
  std::vector<std::size_t> lengths;
  for (const ByteView block : blocks) {
    AppendTo(together, block);
    lengths.push_back(block.size());
  }
  Result<void> staged = impl_->StageWhole(together, lengths);
  if (!staged) {
    Result<void> cut = impl_->storage->Truncate(CoreFile::kData, before.byte_length());
    impl_->broken = impl_->broken || !cut.has_value();
    return std::move(staged).error();
  }
  const MerkleTree& tree = impl_->staged.tree;
  return StagedRange{{BlockIndex(before.length()), BlockIndex(tree.length())},
                     {ByteOffset(before.byte_length()), ByteOffset(tree.byte_length())}};
}

Result<void> Hypercore::DropStaged() {
  if (impl_->stream_open) {
    return impl_->OutOfOrder("a staged append is open; abort it first");
  }
  if (!impl_->anything_staged()) {
    return {};
  }
  return impl_->UnstageTo({impl_->view->tree(), {}});
}

Result<void> Hypercore::PrepareCommit() {
  HNX_TRY(impl_->WritableNow());
  if (impl_->stream_open) {
    return impl_->OutOfOrder("a staged append is open; finish it before the commit");
  }
  if (impl_->anything_staged()) {
    impl_->storage->Sync(CoreFile::kData);
    CrashPoint("hypercore.after_data_sync");
  }
  impl_->prepared = impl_->staged.tree;
  return {};
}

Result<CoreHead> Hypercore::CommitPrepared() {
  HNX_TRY(impl_->WritableNow());
  if (impl_->stream_open || !impl_->prepared || *impl_->prepared != impl_->staged.tree) {
    return impl_->OutOfOrder("the commit was not prepared, or blocks were staged since");
  }
  if (!impl_->anything_staged()) {
    return head();
  }
  const CoreHead before = head();
  const MerkleTree& tree = impl_->staged.tree;
  OplogEntry entry;
  TreeUpgrade upgrade{before.fork, before.length, tree.length(), {}};
  HNX_ASSIGN_OR_RETURN(upgrade.signature, impl_->SignHead(tree, before.fork));
  entry.upgrade = std::move(upgrade);
  entry.bitfield = BitfieldUpdate{false, {BlockIndex(before.length), BlockIndex(tree.length())}};
  entry.nodes = std::move(impl_->staged.nodes);
  Result<void> recorded = impl_->Record({&entry, 1}, tree);
  if (!recorded) {
    impl_->staged.nodes = std::move(entry.nodes);  // still staged: the commit can be tried again
    return std::move(recorded).error();
  }
  impl_->staged.nodes.clear();
  impl_->prepared.reset();
  impl_->FlushIfDue();
  return head();
}

Result<CoreHead> Hypercore::Commit() {
  HNX_TRY(PrepareCommit());
  return CommitPrepared();
}

Result<CoreHead> Hypercore::Append(std::span<const ByteView> blocks) {
  HNX_TRY(StageBlocks(blocks));
  return Commit();
}

}  // namespace hnx::hyper
