// BeeSnapshot: one version of a Hyperbee, for reading. A version is a core length that ended an
// append; what lies between two of them (inside a batch) is not readable.
//
// The tree is foreign data: a hostile one costs at most time in proportion to its blocks. Depth is
// limited, keys must come in strictly ascending order, a child must not lie after its parent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/bee/bee_store.h"

namespace hnx::hyper {

struct BeeEntry {
  std::uint64_t seq = 0;
  Bytes key;
  Bytes value;

  bool operator==(const BeeEntry&) const = default;
};

// Keys are compared as bytes. At most one of gt and gte, and one of lt and lte.
struct BeeRangeOptions {
  std::optional<Bytes> gt;
  std::optional<Bytes> gte;
  std::optional<Bytes> lt;
  std::optional<Bytes> lte;
  bool reverse = false;
  std::optional<std::uint64_t> limit;
};

class BeeRange;

// A value: copies share the store, which must outlive them.
class BeeSnapshot {
 public:
  BeeSnapshot(const BeeStore& store, std::uint64_t version) : store_(&store), version_(version) {}

  std::uint64_t version() const { return version_; }
  // Nothing was ever put.
  bool empty() const { return version_ < 2; }

  // Finds by keys alone. (JavaScript returns early when the block that carries a node on the way
  // has the wanted key; writers arrange their blocks so that both agree, see bee_batch.h.)
  Result<std::optional<BeeEntry>> Get(ByteView key) const;
  BeeRange Range(BeeRangeOptions options) const;

 private:
  const BeeStore* store_;
  std::uint64_t version_;
};

// Streams a range in order; holds one node per level of the tree.
class BeeRange {
 public:
  // nullopt at the end, and from then on.
  Result<std::optional<BeeEntry>> Next();

 private:
  friend class BeeSnapshot;
  BeeRange(const BeeStore& store, std::uint64_t version, BeeRangeOptions options);

  // A node on the way to the present place. Steps alternate child 0, key 0, child 1, ..., the last
  // child: `next` counts them in the direction of travel.
  struct Frame {
    BeePlace node;
    std::size_t next = 0;
  };

  Result<void> Start();
  Result<void> Push(BeeChild place, std::optional<std::uint64_t> parent_seq);
  // Skips the steps of the top frame that lie before the range.
  Result<void> SeekInTop();
  Result<bool> IsBeforeStart(std::uint64_t key_seq) const;
  bool IsBeyondEnd(ByteView key) const;
  Result<void> CheckOrder(ByteView key);

  const BeeStore* store_;
  std::uint64_t version_;
  BeeRangeOptions options_;
  std::vector<Frame> stack_;
  std::optional<Bytes> previous_;
  std::uint64_t yielded_ = 0;
  bool started_ = false;
  bool seeking_ = true;  // the descent along the range's beginning is not over
  bool ended_ = false;
};

}  // namespace hnx::hyper
