#include "hyper/core/core_view.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "hyper/core/keys.h"
#include "hyper/core/stale_pages.h"

namespace hnx::hyper {
namespace {

void ApplyUserData(std::vector<UserDataItem>& items, const UserDataItem& change) {
  const auto found = std::find_if(items.begin(), items.end(),
                                  [&](const UserDataItem& item) { return item.key == change.key; });
  if (found == items.end()) {
    if (!change.value.empty()) {
      items.push_back(change);
    }
  } else if (change.value.empty()) {
    items.erase(found);
  } else {
    found->value = change.value;
  }
}

}  // namespace

CoreView::CoreView(CoreStorage& storage, OplogHeader header)
    : storage_(storage),
      header_(std::move(header)),
      identity_{header_.key, header_.manifest},
      discovery_key_(DiscoveryKeyOf(header_.key)),
      nodes_(storage),
      bits_(storage) {
  head_.length = header_.length;
  head_.fork = header_.fork;
  head_.signature = header_.signature;
  head_.tree_hash = MerkleTree().hash();
}

std::unique_ptr<CoreView> CoreView::Empty(CoreStorage& storage, OplogHeader header) {
  HNX_CHECK(header.length == 0);
  return std::unique_ptr<CoreView>(new CoreView(storage, std::move(header)));
}

Result<std::unique_ptr<CoreView>> CoreView::LoadUnverified(CoreStorage& storage,
                                                           OplogContent content) {
  auto view = std::unique_ptr<CoreView>(new CoreView(storage, std::move(content.header)));
  const std::vector<OplogEntry> entries = std::exchange(content.entries, {});
  view->loaded_ = std::move(content);
  view->length_max_ = view->head_.length;
  for (const OplogEntry& entry : entries) {
    HNX_TRY(view->Overlay(entry));
    view->length_max_ = std::max(view->length_max_, view->head_.length);
  }
  return view;
}

Result<std::unique_ptr<CoreView>> CoreView::Load(CoreStorage& storage) {
  HNX_ASSIGN_OR_RETURN(OplogContent content, ReadOplog(storage));
  HNX_ASSIGN_OR_RETURN(std::unique_ptr<CoreView> view, LoadUnverified(storage, std::move(content)));
  HNX_ASSIGN_OR_RETURN(view->tree_, view->nodes_.TreeOf(view->head_.length));
  HNX_TRY(view->VerifyLoaded());
  return view;
}

Result<void> CoreView::VerifyLoaded() {
  FollowTree();
  HNX_TRY(identity_.Check());
  Result<void> verified = VerifyTree(identity_, head_);
  if (!verified) {
    return verified.error().Annotate("core " + storage_.Name() + " at length " +
                                     std::to_string(head_.length) +
                                     ": tree does not fit the oplog");
  }
  // Nodes reach the file only after the oplog told of their length, so a longer file means that the
  // newest header was lost; to go on from an older one would be to sign a second tree.
  HNX_ASSIGN_OR_RETURN(const std::uint64_t tree_bytes, storage_.Size(CoreFile::kTree));
  if (tree_bytes > 2 * kTreeSlotBytes * length_max_) {
    return DataLoss("core " + storage_.Name() + ": tree has " + std::to_string(tree_bytes) +
                    " bytes, too many for the " + std::to_string(length_max_) +
                    " blocks that oplog knows of: the newest header is lost");
  }
  return {};
}

Result<void> CoreView::Overlay(const OplogEntry& entry) {
  const std::uint64_t length_before = head_.length;
  if (entry.user_data) {
    ApplyUserData(header_.user_data, *entry.user_data);
  }
  if (entry.upgrade && entry.upgrade->ancestors < head_.length) {
    nodes_.CutTo(entry.upgrade->ancestors);
    header_.contiguous_length = std::min(header_.contiguous_length, entry.upgrade->ancestors);
  }
  if (entry.upgrade) {
    head_.fork = entry.upgrade->fork;
    head_.length = entry.upgrade->length;
    head_.signature = entry.upgrade->signature;
  }
  for (const TreeNode& node : entry.nodes) {
    if (node.index.value() >= flat_tree::SlotCount(head_.length)) {
      return DataLoss("core " + storage_.Name() + ": oplog has node " +
                      std::to_string(node.index.value()) + ", which a tree of " +
                      std::to_string(head_.length) + " blocks does not have");
    }
    nodes_.Put(node);
  }
  if (entry.bitfield) {
    const BlockIndex end_max(std::max(length_before, head_.length));
    BlockRange blocks = entry.bitfield->blocks;
    if (!entry.bitfield->drop && blocks.end > end_max) {
      return DataLoss("core " + storage_.Name() + ": oplog marks blocks up to " +
                      std::to_string(blocks.end.value()) + " as present, of " +
                      std::to_string(end_max.value()));
    }
    blocks.begin = std::min(blocks.begin, end_max);  // JavaScript may drop beyond the end
    blocks.end = std::min(blocks.end, end_max);
    bits_.Set(blocks, !entry.bitfield->drop);
    std::uint64_t& contiguous = header_.contiguous_length;
    if (entry.bitfield->drop) {
      contiguous = std::min(contiguous, blocks.begin.value());
    } else if (contiguous >= blocks.begin.value() && contiguous < blocks.end.value()) {
      contiguous = blocks.end.value();
      HNX_TRY(ExtendContiguous());
    }
  }
  return {};
}

// A gap was filled: what lies behind it counts too.
Result<void> CoreView::ExtendContiguous() {
  if (header_.contiguous_length < head_.length) {
    HNX_ASSIGN_OR_RETURN(
        const BlockIndex gap,
        bits_.Find(false, {BlockIndex(header_.contiguous_length), BlockIndex(head_.length)}));
    header_.contiguous_length = gap.value();
  }
  return {};
}

void CoreView::LearnManifest(Manifest manifest) {
  HNX_CHECK(!identity_.manifest && CoreKeyOf(manifest) == identity_.key);
  header_.manifest = manifest;
  identity_.manifest = std::move(manifest);
}

Result<void> CoreView::Apply(const OplogEntry& entry, MerkleTree tree) {
  HNX_TRY(Overlay(entry));
  if (entry.upgrade) {
    HNX_CHECK(tree.length() == head_.length);
    tree_ = std::move(tree);
    FollowTree();
  }
  return {};
}

void CoreView::FollowTree() {
  head_.byte_length = tree_.byte_length();
  head_.tree_hash = tree_.hash();
  header_.fork = head_.fork;
  header_.length = head_.length;
  header_.signature = head_.signature;
  header_.tree_hash = head_.length == 0 ? Bytes() : ToBytes(head_.tree_hash.view());
}

Result<bool> CoreView::Has(BlockIndex block) {
  if (block.value() >= head_.length) {
    return false;
  }
  return bits_.Has(block);
}

Result<ByteRange> CoreView::Locate(BlockIndex block) {
  if (block.value() > head_.length) {
    return Error{ErrorCode::kOutOfRange, "core " + storage_.Name() + ": block " +
                                             std::to_string(block.value()) + " of " +
                                             std::to_string(head_.length)};
  }
  HNX_ASSIGN_OR_RETURN(const std::optional<ByteRange> range, nodes_.TryLocate(tree_, block));
  if (range) {
    return *range;
  }
  HNX_ASSIGN_OR_RETURN(const bool here, Has(block));
  const std::string what = "core " + storage_.Name() + ": tree lacks a node on the way to block " +
                           std::to_string(block.value());
  if (here) {
    return DataLoss(what);
  }
  return NotFound(what + ", which is not here");
}

Result<Bytes> CoreView::Get(BlockIndex block) {
  Result<Bytes> bytes = GetOnce(block);
  if (!bytes && bytes.error().code == ErrorCode::kDataLoss) {
    // What we keep of tree and bitfield may be older than a repair.
    nodes_.DropPages();
    bits_.DropPages();
    bytes = GetOnce(block);
  }
  if (!bytes && bytes.error().code == ErrorCode::kNotFound && DropStalePages()) {
    bytes = GetOnce(block);
  }
  return bytes;
}

Result<Bytes> CoreView::GetOnce(BlockIndex block) {
  if (block.value() >= head_.length) {
    return Error{ErrorCode::kOutOfRange, "core " + storage_.Name() + ": block " +
                                             std::to_string(block.value()) + " of " +
                                             std::to_string(head_.length)};
  }
  HNX_ASSIGN_OR_RETURN(const bool here, bits_.Has(block));
  if (!here) {
    return NotFound("core " + storage_.Name() + ": block " + std::to_string(block.value()) +
                    " is not here");
  }
  HNX_ASSIGN_OR_RETURN(const ByteRange range, nodes_.Locate(tree_, block));
  // A damaged node must not make us allocate what no file holds.
  HNX_ASSIGN_OR_RETURN(const std::uint64_t data_bytes, storage_.Size(CoreFile::kData));
  if (!range.empty() && range.end.value() > data_bytes) {
    return DataLoss("core " + storage_.Name() + ": data ends at byte " +
                    std::to_string(data_bytes) + ", block " + std::to_string(block.value()) +
                    " reaches to " + std::to_string(range.end.value()));
  }
  Bytes bytes(range.length());
  HNX_TRY(ReadExactly(storage_, CoreFile::kData, range.begin.value(), bytes));
  HNX_TRY(nodes_.VerifyLeaf(tree_, {flat_tree::LeafOf(block), bytes.size(), LeafHash(bytes)}));
  return bytes;
}

Result<void> CoreView::ReadBytes(ByteOffset at, std::span<std::byte> out) {
  if (at.value() > head_.byte_length || out.size() > head_.byte_length - at.value()) {
    return Error{ErrorCode::kOutOfRange, "core " + storage_.Name() + ": bytes " +
                                             std::to_string(at.value()) + " to " +
                                             std::to_string(at.value() + out.size()) + " of " +
                                             std::to_string(head_.byte_length)};
  }
  return ReadExactly(storage_, CoreFile::kData, at.value(), out);
}

}  // namespace hnx::hyper
