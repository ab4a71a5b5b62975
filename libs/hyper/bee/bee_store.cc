#include "hyper/bee/bee_store.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/core.h>

namespace hnx::hyper {

namespace {

// What a cached node costs, allocator and map included, near enough for a limit.
std::size_t MemoryOf(const BeeNode& node) {
  constexpr std::size_t kSlotOverhead = 192;
  std::size_t bytes = kSlotOverhead + sizeof(BeeNode) + node.key.size();
  bytes += node.value ? node.value->size() : 0;
  for (const BeeLevel& level : node.levels) {
    bytes += sizeof(BeeLevel) + level.keys.size() * sizeof(std::uint64_t) +
             level.children.size() * sizeof(BeeChild);
  }
  return bytes;
}

}  // namespace

Result<std::shared_ptr<const BeeNode>> BeeStore::Node(std::uint64_t seq) const {
  if (auto cached = cache_->Lookup(seq)) {
    return cached;
  }
  const std::string object = fmt::format("read Hyperbee block {}", seq);
  auto block = blocks_.ReadBlock(seq);
  if (!block) {
    return block.error().Annotate(object);
  }
  auto decoded = DecodeBeeNode(*block);
  if (!decoded) {
    return DataLoss(object + ": " + decoded.error().message);
  }
  auto node = std::make_shared<const BeeNode>(std::move(*decoded));
  cache_->Keep(seq, node);
  return node;
}

std::shared_ptr<const BeeNode> BeeCache::Lookup(std::uint64_t seq) {
  const MutexLock lock(mutex_);
  const auto found = by_seq_.find(seq);
  if (found == by_seq_.end()) {
    return nullptr;
  }
  slots_.splice(slots_.begin(), slots_, found->second);
  return found->second->node;
}

void BeeCache::Keep(std::uint64_t seq, const std::shared_ptr<const BeeNode>& node) {
  const std::size_t bytes = MemoryOf(*node);
  if (bytes > bytes_max_) {
    return;
  }
  const MutexLock lock(mutex_);
  if (by_seq_.contains(seq)) {
    return;
  }
  while (bytes_ + bytes > bytes_max_) {
    bytes_ -= slots_.back().bytes;
    by_seq_.erase(slots_.back().seq);
    slots_.pop_back();
  }
  slots_.push_front(Slot{seq, bytes, node});
  by_seq_.emplace(seq, slots_.begin());
  bytes_ += bytes;
}

void BeeCache::ForgetFrom(std::uint64_t length) {
  const MutexLock lock(mutex_);
  for (auto slot = slots_.begin(); slot != slots_.end();) {
    if (slot->seq < length) {
      ++slot;
      continue;
    }
    bytes_ -= slot->bytes;
    by_seq_.erase(slot->seq);
    slot = slots_.erase(slot);
  }
}

std::size_t BeeCache::bytes() const {
  const MutexLock lock(mutex_);
  return bytes_;
}

Result<BeePlace> OpenBeeNode(const BeeStore& store, std::uint64_t version, BeeChild place,
                             std::optional<std::uint64_t> parent_seq) {
  if (place.seq == 0 || place.seq >= version || (parent_seq && place.seq > *parent_seq)) {
    return DataLoss(
        fmt::format("a node of the Hyperbee at version {} is said to lie in block {}, "
                    "after its parent",
                    version, place.seq));
  }
  HNX_ASSIGN_OR_RETURN(auto block, store.Node(place.seq));
  if (place.offset >= block->levels.size()) {
    return DataLoss(fmt::format("Hyperbee block {} has {} tree nodes, number {} is wanted",
                                place.seq, block->levels.size(), place.offset));
  }
  return BeePlace{std::move(block), place.seq, static_cast<std::size_t>(place.offset)};
}

Result<std::shared_ptr<const BeeNode>> OpenBeeKey(const BeeStore& store, std::uint64_t version,
                                                  std::uint64_t seq) {
  if (seq >= version) {
    return DataLoss(fmt::format("a key of the Hyperbee at version {} is said to lie in block {}",
                                version, seq));
  }
  return store.Node(seq);
}

int CompareBeeKeys(ByteView a, ByteView b) {
  const std::size_t common = std::min(a.size(), b.size());
  const int order = common == 0 ? 0 : std::memcmp(a.data(), b.data(), common);
  if (order != 0) {
    return order < 0 ? -1 : 1;
  }
  return a.size() == b.size() ? 0 : (a.size() < b.size() ? -1 : 1);
}

Error BeeTooDeep(std::uint64_t version) {
  return DataLoss(
      fmt::format("the Hyperbee at version {} is deeper than {} nodes", version, kBeeDepthMax));
}

}  // namespace hnx::hyper
