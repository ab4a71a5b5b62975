#include "hyper/core/proof_builder.h"

#include <string>
#include <utility>

#include "base/check.h"
#include "hyper/core/core_view.h"

namespace hnx::hyper {
namespace {

using NodeList = std::vector<TreeNode>;

bool Contains(TreeIndex subtree, TreeIndex node) {
  return flat_tree::LeftSpan(subtree) <= node && node <= flat_tree::RightSpan(subtree);
}

// Builds one proof. Indices are checked against the length before they are climbed from, so no
// climb is longer than the tree is high.
class Builder {
 public:
  Builder(const TreeState& state, const ProofRequest& request)
      : state_(state), request_(request), upgrade_(request.upgrade) {}

  Result<Proof> Build();

 private:
  // The block's leaf, or the node asked for.
  struct Target {
    TreeIndex index;
    std::uint64_t nodes = 0;
    bool is_block = false;
    std::uint64_t end = 0;  // behind the last block below it
  };

  Error Invalid(const std::string& what) const;
  // The node; kNotFound when a sparse tree does not have it.
  Result<TreeNode> Node(TreeIndex index);
  Result<std::uint64_t> UnpaddedSize(const TreeNode& node) const;

  Result<void> CheckRange();
  Result<void> FindTarget();
  Result<TreeIndex> AncestorOfTarget() const;

  // The node at which a seek for these bytes of `root` ends.
  Result<TreeIndex> SeekWithin(TreeIndex root, std::uint64_t bytes);
  // Errors when the bytes are not below `root`.
  Result<TreeIndex> SeekBelow(TreeIndex root);
  // Behind the last root: `to`, which no tree contains.
  Result<TreeIndex> SeekFromHead();

  Result<void> ProveSeek(TreeIndex from, TreeIndex root);
  Result<void> ProveTarget(TreeIndex seek_end, TreeIndex root);
  // What leads from a tree of `from` blocks to one of `to`. With `substitute`, the element that
  // contains it is replaced by a proof of what is asked for.
  Result<void> ProveGrowth(std::uint64_t from, std::uint64_t to,
                           const std::optional<TreeIndex>& substitute, NodeList& out);
  Result<void> AddElement(TreeIndex element, const std::optional<TreeIndex>& substitute,
                          NodeList& out);
  Proof Assemble();

  const TreeState& state_;
  const ProofRequest& request_;
  std::optional<UpgradeRequest> upgrade_;
  std::optional<Target> target_;

  std::optional<NodeList> target_nodes_;
  std::optional<NodeList> seek_nodes_;
  NodeList upgrade_nodes_;
  NodeList additional_nodes_;
};

Error Builder::Invalid(const std::string& what) const {
  return InvalidArgument("core " + state_.nodes.Name() + ": proof request: " + what);
}

Result<TreeNode> Builder::Node(TreeIndex index) {
  HNX_ASSIGN_OR_RETURN(const TreeNode node, state_.nodes.Get(index));
  if (node.blank()) {
    return NotFound("core " + state_.nodes.Name() + ": tree node " + std::to_string(index.value()) +
                    " is not here");
  }
  return node;
}

Result<std::uint64_t> Builder::UnpaddedSize(const TreeNode& node) const {
  const std::uint64_t padding = request_.seek->padding;
  const std::uint64_t blocks = flat_tree::BlocksBelow(node.index).length();
  if (padding > node.size / blocks) {
    return Invalid("blocks are shorter than the padding " + std::to_string(padding));
  }
  return node.size - padding * blocks;
}

Result<void> Builder::CheckRange() {
  if (!upgrade_) {
    return {};
  }
  const std::optional<Manifest>& manifest = state_.identity.manifest;
  if (manifest && manifest->prologue && upgrade_->start < manifest->prologue->length) {
    // Within its prologue a core is proven whole.
    upgrade_ = UpgradeRequest{0, manifest->prologue->length};
  }
  const std::uint64_t length = state_.head.length;
  if (upgrade_->length == 0 || upgrade_->start > length ||
      upgrade_->length > length - upgrade_->start) {
    return Invalid("an upgrade from " + std::to_string(upgrade_->start) + " by " +
                   std::to_string(upgrade_->length) + " of a core of " + std::to_string(length));
  }
  return {};
}

Result<void> Builder::FindTarget() {
  const std::uint64_t length = state_.head.length;
  if (request_.block) {
    if (request_.block->index.value() >= length) {
      return NotFound("core " + state_.nodes.Name() + ": block " +
                      std::to_string(request_.block->index.value()) + " of " +
                      std::to_string(length));
    }
    target_ = Target{flat_tree::LeafOf(request_.block->index), request_.block->nodes, true,
                     request_.block->index.value() + 1};
  } else if (request_.hash) {
    const TreeIndex index = request_.hash->index;
    if (index.value() >= flat_tree::SlotCount(length) ||
        flat_tree::RightSpan(index).value() >= flat_tree::SlotCount(length)) {
      return Invalid("node " + std::to_string(index.value()) + " of a core of " +
                     std::to_string(length));
    }
    target_ = Target{index, request_.hash->nodes, false, flat_tree::BlocksBelow(index).end.value()};
  }
  if (target_ && upgrade_ && request_.seek && target_->index.value() >= upgrade_->start * 2) {
    return Invalid("a seek and a block within one upgrade");
  }
  return {};
}

Result<TreeIndex> Builder::AncestorOfTarget() const {
  const TreeIndex end = flat_tree::LeafOf(
      BlockIndex(upgrade_ ? upgrade_->start + upgrade_->length : state_.head.length));
  TreeIndex at = target_->index;
  for (std::uint64_t i = 0; i < target_->nodes; ++i) {
    at = flat_tree::Parent(at);
    if (Contains(at, end)) {
      return Invalid(std::to_string(target_->nodes) + " nodes above node " +
                     std::to_string(target_->index.value()) + " is no full tree");
    }
  }
  return at;
}

Result<TreeIndex> Builder::SeekWithin(TreeIndex root, std::uint64_t bytes) {
  if (bytes == 0) {
    return root;
  }
  TreeIndex at = root;
  while (flat_tree::Depth(at) > 0) {
    const auto [left_index, right_index] = flat_tree::Children(at);
    HNX_ASSIGN_OR_RETURN(const TreeNode left, state_.nodes.Get(left_index));
    if (left.blank()) {
      return at;  // as far as we can tell
    }
    HNX_ASSIGN_OR_RETURN(const std::uint64_t size, UnpaddedSize(left));
    if (size == bytes) {
      return left_index;
    }
    if (size > bytes) {
      at = left_index;
    } else {
      bytes -= size;
      at = right_index;
    }
  }
  return at;
}

Result<TreeIndex> Builder::SeekBelow(TreeIndex root) {
  // JavaScript's hypercore 11 looks for bytes below the first full tree only; elsewhere it proves
  // the block alone and lets the asker come again. We answer alike.
  if (!Contains(state_.tree.roots().front().index, root)) {
    return root;
  }
  HNX_ASSIGN_OR_RETURN(const std::optional<ByteRange> place,
                       state_.nodes.TryLocateNode(state_.tree, root));
  if (!place) {
    return NotFound("core " + state_.nodes.Name() + ": nodes on the way to node " +
                    std::to_string(root.value()) + " are not here");
  }
  const SeekRequest& seek = *request_.seek;
  const std::uint64_t blocks_before = flat_tree::BlocksBelow(root).begin.value();
  if (blocks_before > 0 && seek.padding > place->begin.value() / blocks_before) {
    return Invalid("blocks are shorter than the padding " + std::to_string(seek.padding));
  }
  const std::uint64_t begin = place->begin.value() - seek.padding * blocks_before;
  if (begin == seek.bytes) {
    return root;
  }
  HNX_ASSIGN_OR_RETURN(const TreeNode node, Node(root));
  HNX_ASSIGN_OR_RETURN(const std::uint64_t size, UnpaddedSize(node));
  if (begin > seek.bytes || size <= seek.bytes - begin) {
    return Invalid("byte " + std::to_string(seek.bytes) + " is not below node " +
                   std::to_string(root.value()));
  }
  return SeekWithin(root, seek.bytes - begin);
}

Result<TreeIndex> Builder::SeekFromHead() {
  const std::uint64_t to = upgrade_->start + upgrade_->length;
  std::uint64_t bytes = request_.seek->bytes;
  for (const TreeIndex root : flat_tree::FullRoots(to)) {
    HNX_ASSIGN_OR_RETURN(const TreeNode node, Node(root));
    HNX_ASSIGN_OR_RETURN(const std::uint64_t size, UnpaddedSize(node));
    if (bytes == size) {
      return root;
    }
    if (bytes < size) {
      return SeekWithin(root, bytes);
    }
    bytes -= size;
  }
  return flat_tree::LeafOf(BlockIndex(to));
}

Result<void> Builder::ProveSeek(TreeIndex from, TreeIndex root) {
  NodeList nodes;
  HNX_ASSIGN_OR_RETURN(TreeNode node, Node(from));
  nodes.push_back(node);
  for (TreeIndex at = from; at != root; at = flat_tree::Parent(at)) {
    HNX_ASSIGN_OR_RETURN(node, Node(flat_tree::Sibling(at)));
    nodes.push_back(node);
  }
  seek_nodes_ = std::move(nodes);
  return {};
}

Result<void> Builder::ProveTarget(TreeIndex seek_end, TreeIndex root) {
  if (!target_) {
    return ProveSeek(seek_end, root);
  }
  if (!Contains(root, target_->index)) {
    return Invalid("what is asked for is not where the seek leads");
  }
  NodeList nodes;
  if (!target_->is_block) {
    HNX_ASSIGN_OR_RETURN(const TreeNode node, Node(target_->index));
    nodes.push_back(node);
  }
  for (TreeIndex at = target_->index; at != root; at = flat_tree::Parent(at)) {
    const TreeIndex sibling = flat_tree::Sibling(at);
    if (request_.seek && sibling != seek_end && Contains(sibling, seek_end)) {
      HNX_TRY(ProveSeek(seek_end, sibling));
    } else {
      HNX_ASSIGN_OR_RETURN(const TreeNode node, Node(sibling));
      nodes.push_back(node);
    }
  }
  target_nodes_ = std::move(nodes);
  return {};
}

Result<void> Builder::AddElement(TreeIndex element, const std::optional<TreeIndex>& substitute,
                                 NodeList& out) {
  if (substitute && !target_nodes_ && !seek_nodes_ && Contains(element, *substitute)) {
    return ProveTarget(*substitute, element);
  }
  HNX_ASSIGN_OR_RETURN(const TreeNode node, Node(element));
  out.push_back(node);
  return {};
}

Result<void> Builder::ProveGrowth(std::uint64_t from, std::uint64_t to,
                                  const std::optional<TreeIndex>& substitute, NodeList& out) {
  for (const TreeIndex root : flat_tree::FullRoots(to)) {
    const BlockRange blocks = flat_tree::BlocksBelow(root);
    if (blocks.end.value() <= from) {
      continue;  // had before
    }
    if (blocks.begin.value() >= from) {
      HNX_TRY(AddElement(root, substitute, out));
      continue;
    }
    // Grown over: what completes the tree to the right of the last block that was had before.
    const TreeIndex last = flat_tree::LeafOf(BlockIndex(from - 1));
    for (TreeIndex at = last; at != root; at = flat_tree::Parent(at)) {
      const TreeIndex sibling = flat_tree::Sibling(at);
      if (sibling > last) {
        HNX_TRY(AddElement(sibling, substitute, out));
      }
    }
  }
  return {};
}

Proof Builder::Assemble() {
  Proof proof;
  proof.fork = request_.fork;
  if (request_.block && target_nodes_) {
    proof.block = BlockProof{request_.block->index, {}, std::move(*target_nodes_), {}};
  } else if (request_.hash && target_nodes_) {
    proof.hash = HashProof{request_.hash->index, std::move(*target_nodes_)};
  }
  if (request_.seek && seek_nodes_) {
    proof.seek = SeekProof{request_.seek->bytes, std::move(*seek_nodes_)};
  }
  if (upgrade_) {
    proof.upgrade = UpgradeProof{upgrade_->start, upgrade_->length, std::move(upgrade_nodes_),
                                 std::move(additional_nodes_), state_.head.signature};
  }
  if (request_.manifest && !state_.identity.compat()) {
    proof.manifest = state_.identity.manifest;
  }
  return proof;
}

Result<Proof> Builder::Build() {
  if (request_.fork != state_.head.fork) {
    return NotFound("core " + state_.nodes.Name() + ": fork " + std::to_string(request_.fork) +
                    " is asked for, we are at " + std::to_string(state_.head.fork));
  }
  if (!request_.block && !request_.hash && !request_.seek && !request_.upgrade) {
    return Assemble();  // the manifest alone, if anything
  }
  if (state_.head.length == 0) {
    return NotFound("core " + state_.nodes.Name() + ": it is empty");
  }
  HNX_TRY(CheckRange());
  HNX_TRY(FindTarget());

  std::optional<TreeIndex> substitute;
  if (target_ && (!upgrade_ || target_->end <= upgrade_->start)) {
    HNX_ASSIGN_OR_RETURN(const TreeIndex root, AncestorOfTarget());
    TreeIndex seek_end = root;
    if (request_.seek) {
      HNX_ASSIGN_OR_RETURN(seek_end, SeekBelow(root));
    }
    HNX_TRY(ProveTarget(seek_end, root));
  } else if (upgrade_ && request_.seek) {
    HNX_ASSIGN_OR_RETURN(substitute, SeekFromHead());
  } else if (upgrade_ && target_) {
    substitute = target_->index;
  }
  if (upgrade_) {
    const std::uint64_t to = upgrade_->start + upgrade_->length;
    HNX_TRY(ProveGrowth(upgrade_->start, to, substitute, upgrade_nodes_));
    HNX_TRY(ProveGrowth(to, state_.head.length, std::nullopt, additional_nodes_));
  }
  if (target_ && !target_nodes_) {
    return Invalid("what is asked for is not within the upgrade");
  }
  return Assemble();
}

}  // namespace

Result<Proof> BuildProof(const TreeState& state, const ProofRequest& request) {
  return Builder(state, request).Build();
}

Result<Proof> BuildProof(CoreView& view, const ProofRequest& request, BlockBytes block_bytes) {
  const TreeState state{view.identity(), view.head(), view.tree(), view.nodes()};
  if (request.block) {
    HNX_ASSIGN_OR_RETURN(const bool here, view.Has(request.block->index));
    if (!here) {
      return NotFound("core " + view.nodes().Name() + ": block " +
                      std::to_string(request.block->index.value()) + " is not here");
    }
  }
  HNX_ASSIGN_OR_RETURN(Proof proof, BuildProof(state, request));
  if (proof.block) {
    HNX_ASSIGN_OR_RETURN(proof.block->bytes, view.Locate(proof.block->index));
    if (block_bytes == BlockBytes::kRead) {
      Bytes value(static_cast<std::size_t>(proof.block->bytes.length()));
      HNX_TRY(view.ReadBytes(proof.block->bytes.begin, value));
      proof.block->value = BlockValue(std::move(value));
    }
  }
  return proof;
}

}  // namespace hnx::hyper
