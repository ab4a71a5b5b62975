#include "hyper/bee/bee_batch.h"

#include <utility>

#include "base/check.h"
#include "hyper/bee/bee_node.h"
#include "hyper/bee/bee_tree.h"

namespace hnx::hyper {

namespace {

// Gives every marked node below `node` its place, parents before their children within a block, and
// tells where `node` itself lies.
BeeChild Place(const BeeTreeNode& node, std::uint64_t first_seq, std::vector<BeeNode>& blocks) {
  HNX_CHECK(node.mark >= first_seq && node.mark - first_seq < blocks.size());
  std::vector<BeeLevel>& levels = blocks[node.mark - first_seq].levels;
  const std::size_t offset = levels.size();
  levels.emplace_back();
  BeeLevel level;
  level.keys = node.keys;
  level.children.reserve(node.children.size());
  for (const BeeTreeNode::Child& child : node.children) {
    const bool changed = child.node != nullptr && child.node->mark != 0;
    HNX_CHECK(!changed || child.node->mark <= node.mark);
    level.children.push_back(changed ? Place(*child.node, first_seq, blocks) : child.place);
  }
  levels[offset] = std::move(level);
  return BeeChild{node.mark, offset};
}

}  // namespace

BeeBatch::BeeBatch(const BeeStore& store, std::uint64_t length)
    : tree_(std::make_unique<BeeTree>(store, length)), length_(length) {}
BeeBatch::~BeeBatch() = default;
BeeBatch::BeeBatch(BeeBatch&&) noexcept = default;

Result<void> BeeBatch::Put(ByteView key, ByteView value) {
  HNX_TRY(tree_->Put(key, value));
  bytes_ += key.size() + value.size();
  return {};
}

Result<bool> BeeBatch::Del(ByteView key) {
  HNX_ASSIGN_OR_RETURN(const bool found, tree_->Del(key));
  bytes_ += found ? key.size() : 0;
  return found;
}

std::size_t BeeBatch::operations() const {
  return tree_->operations().size();
}

std::size_t BeeBatch::bytes() const {
  return bytes_;
}

std::vector<Bytes> BeeBatch::Encode() && {
  std::vector<Bytes> encoded;
  std::vector<BeeNode> blocks;
  blocks.reserve(tree_->operations().size());
  for (BeeOperation& operation : tree_->operations()) {
    blocks.push_back(BeeNode{std::move(operation.key), std::move(operation.value), {}});
  }
  if (blocks.empty()) {
    return encoded;
  }
  const BeeChild root = Place(*tree_->root(), tree_->first_seq(), blocks);
  HNX_CHECK(root == (BeeChild{tree_->first_seq() + blocks.size() - 1, 0}));
  tree_.reset();
  if (length_ == 0) {
    encoded.push_back(EncodeBeeHeader({}));
  }
  for (const BeeNode& block : blocks) {
    encoded.push_back(EncodeBeeNode(block));
  }
  return encoded;
}

}  // namespace hnx::hyper
