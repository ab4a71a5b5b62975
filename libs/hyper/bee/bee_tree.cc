#include "hyper/bee/bee_tree.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/core.h>

#include "base/check.h"

namespace hnx::hyper {

namespace {

using Difference = std::ptrdiff_t;

template <class T>
auto At(std::vector<T>& items, std::size_t index) {
  return items.begin() + static_cast<Difference>(index);
}

template <class T>
T TakeLast(std::vector<T>& items) {
  T last = std::move(items.back());
  items.pop_back();
  return last;
}

template <class T>
T TakeFirst(std::vector<T>& items) {
  T first = std::move(items.front());
  items.erase(items.begin());
  return first;
}

// Moves the last `count` items to a vector of their own, in order.
template <class T>
std::vector<T> TakeLast(std::vector<T>& items, std::size_t count) {
  const auto begin = items.end() - static_cast<Difference>(count);
  std::vector<T> taken(std::make_move_iterator(begin), std::make_move_iterator(items.end()));
  items.erase(begin, items.end());
  return taken;
}

}  // namespace

BeeTree::BeeTree(const BeeStore& store, std::uint64_t length)
    : store_(store), version_(length), first_seq_(std::max<std::uint64_t>(length, 1)) {}

Result<std::unique_ptr<BeeTreeNode>> BeeTree::Load(BeeChild place) const {
  HNX_ASSIGN_OR_RETURN(const BeePlace stored, OpenBeeNode(store_, version_, place, std::nullopt));
  auto node = std::make_unique<BeeTreeNode>();
  node->keys = stored.level().keys;
  if (std::any_of(node->keys.begin(), node->keys.end(),
                  [this](std::uint64_t seq) { return seq >= version_; })) {
    return DataLoss(
        fmt::format("a key of the Hyperbee at version {} is said to lie behind it", version_));
  }
  node->children.reserve(stored.level().children.size());
  for (const BeeChild& child : stored.level().children) {
    node->children.push_back(BeeTreeNode::Child{child, nullptr});
  }
  return node;
}

Result<void> BeeTree::LoadRoot() {
  if (root_ == nullptr && version_ >= 2) {
    HNX_ASSIGN_OR_RETURN(root_, Load({version_ - 1, 0}));
  }
  return {};
}

Result<BeeTreeNode*> BeeTree::Child(BeeTreeNode& node, std::size_t index) const {
  BeeTreeNode::Child& child = node.children[index];
  if (child.node == nullptr) {
    HNX_ASSIGN_OR_RETURN(child.node, Load(child.place));
  }
  return child.node.get();
}

Result<BeeTree::Found> BeeTree::Find(const BeeTreeNode& node, ByteView key) const {
  std::size_t low = 0;
  std::size_t high = node.keys.size();
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    const std::uint64_t seq = node.keys[middle];
    int order = 0;
    if (seq >= first_seq_) {
      HNX_CHECK(seq < next_seq());
      order = CompareBeeKeys(key, operations_[seq - first_seq_].key);
    } else {
      HNX_ASSIGN_OR_RETURN(const auto holder, OpenBeeKey(store_, version_, seq));
      order = CompareBeeKeys(key, holder->key);
    }
    if (order == 0) {
      return Found{middle, true};
    }
    (order < 0 ? high : low) = order < 0 ? middle : middle + 1;
  }
  return Found{low, false};
}

Result<bool> BeeTree::Descend(ByteView key, Path& path) {
  BeeTreeNode* node = root_.get();
  while (path.size() < kBeeDepthMax) {
    HNX_ASSIGN_OR_RETURN(const Found found, Find(*node, key));
    path.push_back(Step{node, found.index});
    if (found.equal || node->is_leaf()) {
      return found.equal;
    }
    HNX_ASSIGN_OR_RETURN(node, Child(*node, found.index));
  }
  return BeeTooDeep(version_);
}

void BeeTree::Mark(const Path& path, std::uint64_t seq) {
  for (const Step& step : path) {
    step.node->mark = seq;
  }
}

Result<void> BeeTree::Put(ByteView key, ByteView value) {
  HNX_TRY(LoadRoot());
  if (root_ == nullptr) {
    root_ = std::make_unique<BeeTreeNode>();
  }
  Path path;
  HNX_ASSIGN_OR_RETURN(const bool found, Descend(key, path));
  const std::uint64_t seq = next_seq();
  operations_.push_back(BeeOperation{ToBytes(key), ToBytes(value)});
  Mark(path, seq);
  const Step& last = path.back();
  if (found) {
    last.node->keys[last.index] = seq;
  } else {
    last.node->keys.insert(At(last.node->keys, last.index), seq);
    SplitUpwards(path, seq);
  }
  return {};
}

void BeeTree::SplitUpwards(Path& path, std::uint64_t seq) {
  while (path.back().node->keys.size() > kBeeMaxKeys) {
    BeeTreeNode& left = *path.back().node;
    path.pop_back();
    auto right = std::make_unique<BeeTreeNode>();
    right->mark = seq;
    const std::size_t moved = left.keys.size() / 2;
    right->keys = TakeLast(left.keys, moved);
    const std::uint64_t median = TakeLast(left.keys);
    if (!left.is_leaf()) {
      right->children = TakeLast(left.children, moved + 1);
    }
    if (path.empty()) {
      auto root = std::make_unique<BeeTreeNode>();
      root->mark = seq;
      root->keys.push_back(median);
      root->children.push_back(BeeTreeNode::Child{{}, std::move(root_)});
      root->children.push_back(BeeTreeNode::Child{{}, std::move(right)});
      root_ = std::move(root);
      return;
    }
    const Step& parent = path.back();
    parent.node->keys.insert(At(parent.node->keys, parent.index), median);
    parent.node->children.insert(At(parent.node->children, parent.index + 1),
                                 BeeTreeNode::Child{{}, std::move(right)});
  }
}

Result<bool> BeeTree::Del(ByteView key) {
  HNX_TRY(LoadRoot());
  if (root_ == nullptr) {
    return false;
  }
  Path path;
  HNX_ASSIGN_OR_RETURN(const bool found, Descend(key, path));
  if (!found) {
    return false;
  }
  const std::uint64_t seq = next_seq();
  operations_.push_back(BeeOperation{ToBytes(key), std::nullopt});
  const bool in_leaf = path.back().node->is_leaf();
  if (in_leaf) {
    const Step& last = path.back();
    last.node->keys.erase(At(last.node->keys, last.index));
  } else {
    HNX_TRY(ReplaceByNeighbour(path));
  }
  Mark(path, seq);
  HNX_TRY(Rebalance(path, seq));
  if (!in_leaf) {
    // The search path of the key goes another way now; see bee_batch.h, "The reader's shortcut".
    Path searched;
    HNX_ASSIGN_OR_RETURN(const bool still_there, Descend(key, searched));
    if (still_there) {
      return DataLoss(fmt::format("the Hyperbee at version {} has a key twice", version_));
    }
    Mark(searched, seq);
  }
  return true;
}

Result<void> BeeTree::ReplaceByNeighbour(Path& path) {
  BeeTreeNode& inner = *path.back().node;
  const std::size_t index = path.back().index;
  Path to_predecessor{Step{&inner, index}};
  Path to_successor{Step{&inner, index + 1}};
  for (Path* side : {&to_predecessor, &to_successor}) {
    while (!side->back().node->is_leaf()) {
      if (path.size() + side->size() > kBeeDepthMax) {
        return BeeTooDeep(version_);
      }
      HNX_ASSIGN_OR_RETURN(BeeTreeNode* const child, Child(*side->back().node, side->back().index));
      const bool rightmost = side == &to_predecessor && !child->is_leaf();
      side->push_back(Step{child, rightmost ? child->children.size() - 1 : 0});
    }
  }
  std::vector<std::uint64_t>& before = to_predecessor.back().node->keys;
  std::vector<std::uint64_t>& after = to_successor.back().node->keys;
  const bool take_successor = before.size() < after.size();
  if (take_successor ? after.empty() : before.empty()) {
    return DataLoss("the Hyperbee has an empty leaf below its root");
  }
  inner.keys[index] = take_successor ? TakeFirst(after) : TakeLast(before);
  path.pop_back();
  const Path& side = take_successor ? to_successor : to_predecessor;
  path.insert(path.end(), side.begin(), side.end());
  return {};
}

Result<void> BeeTree::Rebalance(Path& path, std::uint64_t seq) {
  while (path.size() > 1) {
    BeeTreeNode& node = *path.back().node;
    path.pop_back();
    if (node.keys.size() >= kBeeMinKeys) {
      return {};
    }
    HNX_ASSIGN_OR_RETURN(const bool borrowed, Borrow(node, path.back(), seq));
    if (borrowed) {
      return {};
    }
    HNX_TRY(Merge(path.back(), seq));
  }
  if (root_->keys.empty() && !root_->is_leaf()) {
    root_ = std::move(root_->children.front().node);
  }
  return {};
}

Result<BeeTreeNode*> BeeTree::Sibling(BeeTreeNode& parent, std::size_t index,
                                      const BeeTreeNode& node) const {
  HNX_ASSIGN_OR_RETURN(BeeTreeNode* const sibling, Child(parent, index));
  if (sibling->is_leaf() != node.is_leaf()) {
    return DataLoss(
        fmt::format("the leaves of the Hyperbee at version {} differ in depth", version_));
  }
  return sibling;
}

Result<bool> BeeTree::Borrow(BeeTreeNode& node, const Step& parent, std::uint64_t seq) {
  BeeTreeNode& above = *parent.node;
  if (parent.index > 0) {
    HNX_ASSIGN_OR_RETURN(BeeTreeNode* const left, Sibling(above, parent.index - 1, node));
    if (left->keys.size() > kBeeMinKeys) {
      left->mark = seq;
      std::uint64_t& separator = above.keys[parent.index - 1];
      node.keys.insert(node.keys.begin(), separator);
      if (!left->is_leaf()) {
        node.children.insert(node.children.begin(), TakeLast(left->children));
      }
      separator = TakeLast(left->keys);
      return true;
    }
  }
  if (parent.index + 1 < above.children.size()) {
    HNX_ASSIGN_OR_RETURN(BeeTreeNode* const right, Sibling(above, parent.index + 1, node));
    if (right->keys.size() > kBeeMinKeys) {
      right->mark = seq;
      std::uint64_t& separator = above.keys[parent.index];
      node.keys.push_back(separator);
      if (!right->is_leaf()) {
        node.children.push_back(TakeFirst(right->children));
      }
      separator = TakeFirst(right->keys);
      return true;
    }
  }
  return false;
}

Result<void> BeeTree::Merge(const Step& parent, std::uint64_t seq) {
  BeeTreeNode& above = *parent.node;
  const std::size_t left_index = parent.index > 0 ? parent.index - 1 : 0;
  HNX_ASSIGN_OR_RETURN(BeeTreeNode* const left, Child(above, left_index));
  HNX_ASSIGN_OR_RETURN(BeeTreeNode* const right, Sibling(above, left_index + 1, *left));
  left->mark = seq;
  left->keys.push_back(above.keys[left_index]);
  left->keys.insert(left->keys.end(), right->keys.begin(), right->keys.end());
  std::move(right->children.begin(), right->children.end(), std::back_inserter(left->children));
  above.keys.erase(At(above.keys, left_index));
  above.children.erase(At(above.children, left_index + 1));
  return {};
}

}  // namespace hnx::hyper
