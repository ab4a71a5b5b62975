// BeeTree: the part of a Hyperbee's tree that a batch changes, in memory. Nodes are loaded when an
// operation first passes through them. The algorithms are JavaScript's (hyperbee 2.27, index.js),
// so that the shape after each operation is the same. Internal to BeeBatch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/bee/bee_store.h"

namespace hnx::hyper {

struct BeeOperation {
  Bytes key;
  std::optional<Bytes> value;  // nullopt: deletion
};

struct BeeTreeNode {
  struct Child {
    BeeChild place;                     // where it is stored; meaningless when marked
    std::unique_ptr<BeeTreeNode> node;  // null: not loaded
  };

  std::vector<std::uint64_t> keys;  // sequence numbers
  std::vector<Child> children;
  // Sequence number of the last operation that has to rewrite this node; 0 = as it is stored.
  std::uint64_t mark = 0;

  bool is_leaf() const { return children.empty(); }
};

class BeeTree {
 public:
  // `length`: of the core. The first operation gets the sequence number max(length, 1).
  BeeTree(const BeeStore& store, std::uint64_t length);

  Result<void> Put(ByteView key, ByteView value);
  Result<bool> Del(ByteView key);

  std::uint64_t first_seq() const { return first_seq_; }
  // Null: nothing was ever put, in the store or here.
  BeeTreeNode* root() { return root_.get(); }
  std::deque<BeeOperation>& operations() { return operations_; }
  const std::deque<BeeOperation>& operations() const { return operations_; }

 private:
  struct Step {
    BeeTreeNode* node = nullptr;
    std::size_t index = 0;  // of the child that is taken, or of the key that was found
  };
  using Path = std::vector<Step>;
  struct Found {
    std::size_t index = 0;  // of the equal key, or of the child where it would be
    bool equal = false;
  };

  Result<void> LoadRoot();
  Result<std::unique_ptr<BeeTreeNode>> Load(BeeChild place) const;
  Result<BeeTreeNode*> Child(BeeTreeNode& node, std::size_t index) const;
  // A child of `parent` beside `node`: on the same level, so a leaf if and only if `node` is.
  Result<BeeTreeNode*> Sibling(BeeTreeNode& parent, std::size_t index,
                               const BeeTreeNode& node) const;
  Result<Found> Find(const BeeTreeNode& node, ByteView key) const;
  // From the root to the node with the key, or to the leaf where it would be.
  Result<bool> Descend(ByteView key, Path& path);
  static void Mark(const Path& path, std::uint64_t seq);

  void SplitUpwards(Path& path, std::uint64_t seq);
  // Takes the key of the last step out of its inner node and puts its neighbour there.
  Result<void> ReplaceByNeighbour(Path& path);
  Result<void> Rebalance(Path& path, std::uint64_t seq);
  // True when it took a key from a sibling.
  Result<bool> Borrow(BeeTreeNode& node, const Step& parent, std::uint64_t seq);
  Result<void> Merge(const Step& parent, std::uint64_t seq);

  std::uint64_t next_seq() const { return first_seq_ + operations_.size(); }

  const BeeStore& store_;
  const std::uint64_t version_;
  const std::uint64_t first_seq_;
  std::unique_ptr<BeeTreeNode> root_;
  std::deque<BeeOperation> operations_;
};

}  // namespace hnx::hyper
