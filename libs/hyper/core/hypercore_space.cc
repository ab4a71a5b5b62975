// Hypercore: giving space back, and cutting a tail.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "hyper/core/hypercore.h"
#include "hyper/core/hypercore_impl.h"

namespace hnx::hyper {
Result<void> Hypercore::Clear(BlockRange blocks, LockWait wait) {
  return impl_->Clear(blocks, wait);
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
  HNX_TRY(impl_->Record({&entry, 1}, tree));
  impl_->staged.tree = tree;
  impl_->prepared.reset();
  Result<void> cut = impl_->storage->Truncate(CoreFile::kData, tree.byte_length());
  impl_->broken = impl_->broken || !cut.has_value();
  HNX_TRY(cut);
  impl_->FlushIfDue();
  return head();
}

}  // namespace hnx::hyper
