// BeeStore: the blocks of one Hyperbee, decoded, behind a bounded cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/bytes.h"
#include "base/mutex.h"
#include "base/result.h"
#include "hyper/bee/bee_node.h"

namespace hnx::hyper {

// Where the raw blocks come from: a core, or a vector in a test. A block never changes while a
// BeeStore reads it, unless ForgetFrom tells so.
class BeeBlocks {
 public:
  virtual ~BeeBlocks() = default;
  // kOutOfRange: beyond the length. kNotFound: cleared. Called from any thread.
  virtual Result<Bytes> ReadBlock(std::uint64_t seq) const = 0;
};

inline constexpr std::size_t kBeeCacheBytesDefault = std::size_t{16} << 20;

// Decoded blocks of one Hyperbee, least recently used go first. Threads: any.
class BeeCache {
 public:
  // A limit of 0 keeps nothing.
  explicit BeeCache(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  BeeCache(const BeeCache&) = delete;
  BeeCache& operator=(const BeeCache&) = delete;

  // nullptr: not kept.
  std::shared_ptr<const BeeNode> Lookup(std::uint64_t seq) HNX_EXCLUDES(mutex_);
  void Keep(std::uint64_t seq, const std::shared_ptr<const BeeNode>& node) HNX_EXCLUDES(mutex_);
  void ForgetFrom(std::uint64_t length) HNX_EXCLUDES(mutex_);
  std::size_t bytes() const HNX_EXCLUDES(mutex_);

 private:
  struct Slot {
    std::uint64_t seq = 0;
    std::size_t bytes = 0;
    std::shared_ptr<const BeeNode> node;
  };
  using Slots = std::list<Slot>;  // most recently used first

  const std::size_t bytes_max_;
  mutable Mutex mutex_;
  Slots slots_ HNX_GUARDED_BY(mutex_);
  std::unordered_map<std::uint64_t, Slots::iterator> by_seq_ HNX_GUARDED_BY(mutex_);
  std::size_t bytes_ HNX_GUARDED_BY(mutex_) = 0;
};

// Threads: any. Nothing is locked during a read: two threads that miss the same block both read it.
class BeeStore {
 public:
  // `blocks` must outlive the store.
  explicit BeeStore(const BeeBlocks& blocks, std::size_t cache_bytes_max = kBeeCacheBytesDefault)
      : BeeStore(blocks, std::make_shared<BeeCache>(cache_bytes_max)) {}
  // Several stores of the same Hyperbee, each with a way of its own to its blocks, share a cache.
  BeeStore(const BeeBlocks& blocks, std::shared_ptr<BeeCache> cache)
      : blocks_(blocks), cache_(std::move(cache)) {}
  BeeStore(const BeeStore&) = delete;
  BeeStore& operator=(const BeeStore&) = delete;

  // kDataLoss: the block is no Hyperbee node; otherwise what ReadBlock said. Names the block.
  Result<std::shared_ptr<const BeeNode>> Node(std::uint64_t seq) const;

  // The core was cut to `length`: blocks from there on may come back with other bytes.
  void ForgetFrom(std::uint64_t length) { cache_->ForgetFrom(length); }

  std::size_t cached_bytes() const { return cache_->bytes(); }

 private:
  const BeeBlocks& blocks_;
  const std::shared_ptr<BeeCache> cache_;
};

// A tree node in its block. `level` may be read while `block` is held.
struct BeePlace {
  std::shared_ptr<const BeeNode> block;
  std::uint64_t seq = 0;
  std::size_t offset = 0;

  const BeeLevel& level() const { return block->levels[offset]; }
};

// The node at `place` in the tree of `version`; `parent_seq` is the block of the node that names it
// (none for the root). kDataLoss: it would lie beyond the version or after its parent, or is not
// there.
Result<BeePlace> OpenBeeNode(const BeeStore& store, std::uint64_t version, BeeChild place,
                             std::optional<std::uint64_t> parent_seq);
// The block that holds a key.
Result<std::shared_ptr<const BeeNode>> OpenBeeKey(const BeeStore& store, std::uint64_t version,
                                                  std::uint64_t seq);

// -1, 0, 1 as memcmp, the shorter of two equal beginnings first.
int CompareBeeKeys(ByteView a, ByteView b);

// With 5 children a node at least, 24 levels hold more keys than there are sequence numbers.
inline constexpr std::size_t kBeeDepthMax = 24;
Error BeeTooDeep(std::uint64_t version);

}  // namespace hnx::hyper
