#include "hyper/bee/bee_bulk.h"

#include <utility>

#include <fmt/core.h>

#include "base/check.h"
#include "hyper/bee/bee_store.h"

namespace hnx::hyper {

BeeBulkLoad::BeeBulkLoad(std::uint64_t first_seq, std::uint64_t count)
    : first_seq_(first_seq), count_(count) {
  HNX_CHECK(first_seq >= 1);
  std::uint64_t keys = count;
  while (keys > 0) {
    Level level;
    // n nodes and their n - 1 separators hold up to 9n - 1 keys.
    level.nodes = (keys + 1 + kBeeMaxKeys) / (kBeeMaxKeys + 1);
    const std::uint64_t separators = level.nodes - 1;
    level.keys_each = (keys - separators) / level.nodes;
    level.longer = (keys - separators) % level.nodes;
    levels_.push_back(std::move(level));
    keys = separators;
  }
}

Result<Bytes> BeeBulkLoad::Add(ByteView key, ByteView value) {
  if (added_ == count_) {
    return InvalidArgument(fmt::format("bulk load: more than the promised {} entries", count_));
  }
  if (added_ > 0 && CompareBeeKeys(previous_key_, key) >= 0) {
    return InvalidArgument(
        fmt::format("bulk load: the key of entry {} does not follow the one "
                    "before it",
                    added_));
  }
  previous_key_ = ToBytes(key);
  const std::uint64_t seq = first_seq_ + added_++;

  // The key goes to the lowest level whose present node still wants keys: the leaf, or, when that
  // is full, it separates the leaf from the next and belongs to a node above.
  std::size_t height = 0;
  while (levels_[height].node.keys.size() == levels_[height].keys_wanted()) {
    levels_[height].node = {};
    ++levels_[height].node_index;
    ++height;
    HNX_CHECK(height < levels_.size());
  }
  levels_[height].node.keys.push_back(seq);

  // Nodes that are complete with this key, from the leaf upwards: an inner node is when its last
  // child is.
  BeeNode block{ToBytes(key), ToBytes(value), {}};
  std::size_t complete = 0;
  if (height == 0) {
    while (complete < levels_.size() &&
           levels_[complete].node.keys.size() == levels_[complete].keys_wanted() &&
           (complete == 0 ||
            levels_[complete].node.children.size() == levels_[complete].keys_wanted())) {
      ++complete;
    }
  }
  for (std::size_t i = 0; i < complete; ++i) {
    const std::size_t offset = complete - 1 - i;  // the highest node first
    if (i + 1 < levels_.size()) {
      levels_[i + 1].node.children.push_back(BeeChild{seq, offset});
    }
  }
  for (std::size_t i = complete; i-- > 0;) {
    block.levels.push_back(levels_[i].node);
  }
  return EncodeBeeNode(block);
}

}  // namespace hnx::hyper
