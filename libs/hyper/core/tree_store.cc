#include "hyper/core/tree_store.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "base/check.h"

namespace hnx::hyper {
namespace {

// Slots that lie side by side are written together, this many at most.
constexpr std::size_t kSlotsPerWriteMax = 4096;

void StoreSlot(const TreeNode& node, Bytes& out) {
  std::array<std::byte, 8> size{};
  StoreLe64(node.size, size);
  AppendTo(out, size);
  AppendTo(out, node.hash.view());
}

}  // namespace

Result<TreeNode> TreeStore::Get(TreeIndex index) {
  const auto pending = pending_.find(index);
  if (pending != pending_.end()) {
    return pending->second;
  }
  if (cut_to_ && index.value() >= flat_tree::SlotCount(*cut_to_)) {
    return TreeNode{index, 0, {}};
  }
  std::array<std::byte, kTreeSlotBytes> slot{};
  HNX_TRY(pages_.Read(index.value() * kTreeSlotBytes, slot));
  TreeNode node{index, LoadLe64(ByteView(slot).first(8)), {}};
  std::memcpy(node.hash.bytes.data(), slot.data() + 8, Hash::kSize);
  return node;
}

void TreeStore::Put(const TreeNode& node) {
  pending_[node.index] = node;
}

void TreeStore::CutTo(std::uint64_t length) {
  const TreeIndex first_gone(flat_tree::SlotCount(length));
  pending_.erase(pending_.lower_bound(first_gone), pending_.end());
  cut_to_ = std::min(length, cut_to_.value_or(length));
  if (length == 0) {
    return;
  }
  // Parents left of the cut that reach over it. Above the first one that begins at leaf 0 there are
  // only nodes behind the cut.
  TreeIndex at = flat_tree::LeafOf(BlockIndex(length - 1));
  while (flat_tree::LeftSpan(at) > TreeIndex(0)) {
    at = flat_tree::Parent(at);
    if (at < first_gone && flat_tree::RightSpan(at) >= first_gone) {
      pending_[at] = TreeNode{at, 0, {}};
    }
  }
}

Result<void> TreeStore::WritePending() {
  if (cut_to_) {
    const std::uint64_t size_max = flat_tree::SlotCount(*cut_to_) * kTreeSlotBytes;
    HNX_ASSIGN_OR_RETURN(const std::uint64_t size, storage_.Size(CoreFile::kTree));
    if (size > size_max) {
      HNX_TRY(storage_.Truncate(CoreFile::kTree, size_max));
    }
  }
  auto at = pending_.begin();
  while (at != pending_.end()) {
    const TreeIndex first = at->first;
    Bytes run;
    for (std::uint64_t i = 0;
         i < kSlotsPerWriteMax && at != pending_.end() && at->first == first + i; ++i, ++at) {
      StoreSlot(at->second, run);
    }
    HNX_TRY(storage_.Write(CoreFile::kTree, first.value() * kTreeSlotBytes, run));
  }
  return {};
}

void TreeStore::Flushed() {
  pending_.clear();
  cut_to_.reset();
  pages_.Drop();
}

}  // namespace hnx::hyper
