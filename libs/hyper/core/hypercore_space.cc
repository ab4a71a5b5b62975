// Hypercore: giving space back, and cutting a tail.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "hyper/core/hypercore.h"
#include "hyper/core/hypercore_impl.h"

namespace hnx::hyper {
namespace {

// A hole frees whole pages of the file system only, so it is extended over neighbours that were
// cleared before: as far as a page may reach, and over no more blocks than this.
constexpr std::uint64_t kHoleReachBytes = std::uint64_t{64} << 10;
constexpr int kHoleNeighboursMax = 1024;

}  // namespace

Result<BlockIndex> Hypercore::Impl::ClearedBefore(BlockIndex edge) {
  HNX_ASSIGN_OR_RETURN(const ByteRange at_edge, view->Locate(edge));
  for (int i = 0; i < kHoleNeighboursMax && edge > BlockIndex(0); ++i) {
    HNX_ASSIGN_OR_RETURN(const bool here, view->Has(edge - 1));
    if (here) {
      break;
    }
    edge = edge - 1;
    HNX_ASSIGN_OR_RETURN(const ByteRange range, view->Locate(edge));
    if (at_edge.begin - range.begin >= kHoleReachBytes) {
      break;
    }
  }
  return edge;
}

Result<BlockIndex> Hypercore::Impl::ClearedBehind(BlockIndex edge) {
  const BlockIndex length(view->head().length);
  HNX_ASSIGN_OR_RETURN(const ByteRange at_edge, view->Locate(edge));
  for (int i = 0; i < kHoleNeighboursMax && edge < length; ++i) {
    HNX_ASSIGN_OR_RETURN(const bool here, view->Has(edge));
    if (here) {
      break;
    }
    HNX_ASSIGN_OR_RETURN(const ByteRange range, view->Locate(edge));
    ++edge;
    if (range.end - at_edge.begin >= kHoleReachBytes) {
      break;
    }
  }
  return edge;
}

Result<void> Hypercore::Impl::Punch(BlockRange blocks) {
  HNX_ASSIGN_OR_RETURN(const BlockIndex first, ClearedBefore(blocks.begin));
  HNX_ASSIGN_OR_RETURN(const BlockIndex end, ClearedBehind(blocks.end));
  HNX_ASSIGN_OR_RETURN(const ByteRange from, view->Locate(first));
  HNX_ASSIGN_OR_RETURN(const ByteRange to, view->Locate(end));
  if (from.begin == to.begin) {
    return {};
  }
  HNX_TRY(storage->PunchHole(CoreFile::kData, from.begin.value(), to.begin - from.begin));
  holes_unsynced = true;
  return {};
}

Result<void> Hypercore::Clear(BlockRange blocks, LockWait wait) {
  HNX_TRY(impl_->Usable());
  if (blocks.begin > blocks.end || blocks.end.value() > length()) {
    return Error{ErrorCode::kOutOfRange, "clear blocks " + std::to_string(blocks.begin.value()) +
                                             " to " + std::to_string(blocks.end.value()) +
                                             " of core " + name() + ": it has " +
                                             std::to_string(length())};
  }
  HNX_ASSIGN_OR_RETURN(const BlockIndex first_there, impl_->view->bits().Find(true, blocks));
  if (first_there == blocks.end) {
    return {};
  }
  HNX_ASSIGN_OR_RETURN(const ByteRange from, Locate(blocks.begin));
  HNX_ASSIGN_OR_RETURN(const ByteRange to, Locate(blocks.end));
  // Held from before the drop can be seen until the bytes are gone: a reader that gets its lock
  // sees either the blocks with their bytes, or that they are dropped.
  HNX_ASSIGN_OR_RETURN(const DataLock lock, impl_->storage->LockData(LockKind::kExclusive,
                                                                     {from.begin, to.begin}, wait));
  OplogEntry entry;
  entry.bitfield = BitfieldUpdate{true, blocks};
  HNX_TRY(impl_->Record(entry, impl_->view->tree()));
  HNX_TRY(impl_->Punch(blocks));
  impl_->FlushIfDue();
  return {};
}

Result<CoreHead> Hypercore::CutUnannouncedTail(std::uint64_t length) {
  HNX_TRY(impl_->WritableNow());
  const CoreHead before = head();
  if (impl_->stream_open || impl_->anything_staged()) {
    return impl_->OutOfOrder("blocks are staged; drop them before the tail is cut");
  }
  if (length > before.length) {
    return Error{ErrorCode::kOutOfRange, "cut core " + name() + " to " + std::to_string(length) +
                                             " blocks: it has " + std::to_string(before.length)};
  }
  if (length == before.length) {
    return before;
  }
  HNX_ASSIGN_OR_RETURN(const MerkleTree tree, impl_->view->nodes().TreeOf(length));
  HNX_ASSIGN_OR_RETURN(
      const DataLock lock,
      impl_->storage->LockData(LockKind::kExclusive,
                               {ByteOffset(tree.byte_length()), ByteOffset(before.byte_length)},
                               LockWait::kFail));
  OplogEntry entry;
  TreeUpgrade upgrade{before.fork, length, length, {}};
  if (length > 0) {
    // The same tree at this length as before, so a signature that was given for it stays the only
    // one (Ed25519 signatures are deterministic).
    HNX_ASSIGN_OR_RETURN(upgrade.signature, impl_->SignHead(tree, before.fork));
  }
  entry.upgrade = std::move(upgrade);
  entry.bitfield = BitfieldUpdate{true, {BlockIndex(length), BlockIndex(before.length)}};
  HNX_TRY(impl_->Record(entry, tree));
  impl_->staged.tree = tree;
  impl_->prepared.reset();
  Result<void> cut = impl_->storage->Truncate(CoreFile::kData, tree.byte_length());
  impl_->broken = impl_->broken || !cut.has_value();
  HNX_TRY(cut);
  impl_->FlushIfDue();
  return head();
}

}  // namespace hnx::hyper
