#include "hyper/core/audit.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "hyper/codec/flat_tree.h"
#include "hyper/core/audit_findings.h"
#include "hyper/core/core_view.h"
#include "hyper/core/oplog.h"
#include "hyper/core/tree_store.h"

namespace hnx::hyper {
namespace {

// How often the oplog is read again because a writer was at work in it.
constexpr int kOplogTriesMax = 100;
// How often an audit begins anew because a tail was cut in the middle of it.
constexpr int kAuditTriesMax = 3;
// Bytes of `data` between two calls of the progress function.
constexpr std::uint64_t kProgressBytes = std::uint64_t{16} << 20;

bool AllZero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(),
                     [](std::byte byte) { return byte == std::byte{0}; });
}

class Auditor {
 public:
  Auditor(CoreStorage& storage, const AuditOptions& options)
      : storage_(storage), options_(options) {}

  Result<AuditReport> Run();

 private:
  // Everything once. What a writer changed meanwhile is not held against the core, unless it cut a
  // tail: then what was found may be its doing.
  Result<void> RunOnce();
  Result<bool> TailCutMeanwhile();

  // False when the oplog cannot be read, so that nothing else can be judged.
  Result<bool> CheckOplog();
  // The oplog, and what lies behind the ends of tree and bitfield, at one moment.
  Result<bool> CheckOplogAndEnds();
  // The roots, put right where that is possible; nullopt when they are not what was signed.
  Result<std::optional<std::vector<TreeNode>>> CheckRoots();
  bool Signed(const std::vector<TreeNode>& roots) const;
  Result<void> CheckBelow(const KnownNode& root);
  Result<void> CheckChildren(const KnownNode& parent, std::vector<KnownNode>& stack);
  // The two children as they should be; nullopt when that cannot be told.
  Result<std::optional<std::pair<TreeNode, TreeNode>>> RightChildren(const KnownNode& parent);
  // The node computed anew from its children, or a leaf from its `size` bytes at `begin`.
  Result<std::optional<TreeNode>> Recompute(TreeIndex index, std::uint64_t begin,
                                            std::uint64_t size);
  Result<void> CheckAbsent(const KnownNode& subtree);
  Result<void> CheckBlock(const KnownNode& leaf);
  Result<void> CheckAbsentBlock(const KnownNode& leaf, bool bytes_there);
  Result<void> CheckPresent(const KnownNode& leaf, const Bytes& bytes, bool right);
  // Whether the block is marked absent now, whatever it was when we began.
  Result<bool> IsAbsentNow(BlockIndex block);
  Result<Bytes> ReadData(std::uint64_t begin, std::uint64_t size);
  Result<void> CheckBlankSlots();
  Result<void> CheckBitsBeyondLength();

  CoreStorage& storage_;
  const AuditOptions& options_;
  AuditReport report_;
  AuditFindings findings_{options_, report_};
  std::unique_ptr<CoreView> view_;
  std::uint64_t bytes_unreported_ = 0;
};

Result<bool> Auditor::CheckOplog() {
  for (int i = 1;; ++i) {
    std::uint64_t damaged_at = 0;
    Result<OplogContent> content = ReadOplog(storage_, &damaged_at);
    const bool again = i < kOplogTriesMax;
    if (!content) {
      const Error& error = content.error();
      if (error.code == ErrorCode::kUnavailable && again) {
        continue;
      }
      HNX_ASSIGN_OR_RETURN(const std::uint64_t size, storage_.Size(CoreFile::kOplog));
      if (error.code == ErrorCode::kNotFound && size > 0) {
        findings_.At(CoreFile::kOplog, 0, "no header slot is whole");
        return false;
      }
      if (error.code == ErrorCode::kDataLoss) {
        findings_.At(CoreFile::kOplog, damaged_at, error.message);
        return false;
      }
      return error;
    }
    const std::uint64_t behind = content->stale_entries ? 0 : content->bytes_behind();
    if (behind > 0 && again) {
      // A writer may just be writing it.
      HNX_ASSIGN_OR_RETURN(const OplogMark now, ReadOplogMark(storage_, content->mark));
      if (now != content->mark) {
        continue;
      }
    }
    if (behind > 0) {
      findings_.At(
          CoreFile::kOplog, content->end,
          std::to_string(behind) + " bytes that are no entry: torn by a crash, or damaged");
    }
    for (std::size_t slot = 0; slot < content->slots.size(); ++slot) {
      if (content->slots[slot] == SlotState::kDamaged) {
        findings_.At(CoreFile::kOplog, slot * kOplogSlotBytes,
                     "header slot " + std::to_string(slot) + " is damaged");
      }
    }
    HNX_ASSIGN_OR_RETURN(view_, CoreView::LoadUnverified(storage_, *std::move(content)));
    const Result<void> identity = view_->identity().Check();
    if (!identity) {
      findings_.At(CoreFile::kOplog, 0, identity.error().message);
    }
    return true;
  }
}

bool Auditor::Signed(const std::vector<TreeNode>& roots) const {
  const Result<MerkleTree> tree = MerkleTree::FromRoots(view_->head().length, roots);
  if (!tree) {
    return false;
  }
  CoreHead head = view_->head();
  head.tree_hash = tree->hash();
  return VerifyTree(view_->identity(), head).has_value();
}

Result<std::optional<std::vector<TreeNode>>> Auditor::CheckRoots() {
  std::vector<TreeNode> roots;
  for (const TreeIndex index : flat_tree::FullRoots(view_->head().length)) {
    HNX_ASSIGN_OR_RETURN(const TreeNode root, view_->nodes().Get(index));
    roots.push_back(root);
  }
  report_.nodes_checked += roots.size();
  if (Signed(roots)) {
    return std::optional(std::move(roots));
  }
  // One of them is wrong: the one with which, computed anew, the signature fits.
  std::uint64_t begin = 0;
  for (std::size_t i = 0; i < roots.size(); ++i) {
    HNX_ASSIGN_OR_RETURN(const std::uint64_t data_bytes, storage_.Size(CoreFile::kData));
    const std::uint64_t rest = data_bytes > begin ? data_bytes - begin : 0;
    HNX_ASSIGN_OR_RETURN(const std::optional<TreeNode> again,
                         Recompute(roots[i].index, begin, rest));
    if (again) {
      std::vector<TreeNode> corrected = roots;
      corrected[i] = *again;
      if (Signed(corrected)) {
        findings_.WrongNode(roots[i], *again, "is not the root that was signed");
        return std::optional(std::move(corrected));
      }
    }
    begin += roots[i].size;
  }
  const TreeIndex first = roots.empty() ? TreeIndex(0) : roots[0].index;
  findings_.Node(first, "or another of the " + std::to_string(roots.size()) +
                            " roots is not what was signed at length " +
                            std::to_string(view_->head().length));
  return std::optional<std::vector<TreeNode>>();
}

Result<Bytes> Auditor::ReadData(std::uint64_t begin, std::uint64_t size) {
  HNX_ASSIGN_OR_RETURN(const std::uint64_t data_bytes, storage_.Size(CoreFile::kData));
  // No more than the file holds, whatever a damaged node claims.
  const std::uint64_t there = begin < data_bytes ? std::min(size, data_bytes - begin) : 0;
  Bytes bytes(static_cast<std::size_t>(there));
  HNX_ASSIGN_OR_RETURN(const std::size_t count, storage_.Read(CoreFile::kData, begin, bytes));
  bytes.resize(count);
  return bytes;
}

Result<std::optional<TreeNode>> Auditor::Recompute(TreeIndex index, std::uint64_t begin,
                                                   std::uint64_t size) {
  if (flat_tree::Depth(index) == 0) {
    HNX_ASSIGN_OR_RETURN(const bool here, view_->bits().Has(flat_tree::BlockOf(index)));
    if (!here) {
      return std::optional<TreeNode>();
    }
    HNX_ASSIGN_OR_RETURN(const Bytes block, ReadData(begin, size));
    return std::optional(TreeNode{index, block.size(), LeafHash(block)});
  }
  const auto [left_index, right_index] = flat_tree::Children(index);
  HNX_ASSIGN_OR_RETURN(const TreeNode left, view_->nodes().Get(left_index));
  HNX_ASSIGN_OR_RETURN(const TreeNode right, view_->nodes().Get(right_index));
  if (left.blank() || right.blank()) {
    return std::optional<TreeNode>();
  }
  return std::optional(ParentOf(left, right));
}

Result<std::optional<std::pair<TreeNode, TreeNode>>> Auditor::RightChildren(
    const KnownNode& parent) {
  using Pair = std::optional<std::pair<TreeNode, TreeNode>>;
  const auto [left_index, right_index] = flat_tree::Children(parent.node.index);
  HNX_ASSIGN_OR_RETURN(const TreeNode left, view_->nodes().Get(left_index));
  HNX_ASSIGN_OR_RETURN(const TreeNode right, view_->nodes().Get(right_index));
  report_.nodes_checked += 2;
  if (ParentOf(left, right) == parent.node) {
    return Pair(std::pair(left, right));
  }
  // Which of the two? Take the other one for right, and compute this one anew.
  const std::uint64_t size = parent.node.size;
  const std::uint64_t left_size = right.size <= size ? size - right.size : 0;
  const std::uint64_t right_size = left.size <= size ? size - left.size : 0;
  HNX_ASSIGN_OR_RETURN(const std::optional<TreeNode> left_again,
                       Recompute(left_index, parent.begin, left_size));
  HNX_ASSIGN_OR_RETURN(const std::optional<TreeNode> right_again,
                       Recompute(right_index, parent.begin + size - right_size, right_size));
  if (left_again && ParentOf(*left_again, right) == parent.node) {
    findings_.WrongNode(left, *left_again, "is wrong");
    return Pair(std::pair(*left_again, right));
  }
  if (right_again && ParentOf(left, *right_again) == parent.node) {
    findings_.WrongNode(right, *right_again, "is wrong");
    return Pair(std::pair(left, *right_again));
  }
  const bool left_good = left_again && *left_again == left;
  const bool right_good = right_again && *right_again == right;
  if (left_good == right_good) {
    findings_.Children(parent, left_index,
                       "or " + NodeName(right_index) + " is wrong: they do not hash to " +
                           NodeName(parent.node.index));
  } else {
    findings_.Children(parent, left_good ? right_index : left_index,
                       "is wrong, and what it stands for is gone: " + NodeName(parent.node.index) +
                           " cannot be checked further");
  }
  return Pair();
}

Result<void> Auditor::CheckAbsent(const KnownNode& subtree) {
  const BlockRange blocks = flat_tree::BlocksBelow(subtree.node.index);
  HNX_ASSIGN_OR_RETURN(const BlockIndex there, view_->bits().Find(true, blocks));
  if (there == blocks.end) {
    report_.blocks_absent += blocks.length();
  } else {
    findings_.Children(subtree, flat_tree::LeafOf(there),
                       "is missing, though its block is marked present");
  }
  return {};
}

Result<void> Auditor::CheckChildren(const KnownNode& parent, std::vector<KnownNode>& stack) {
  const auto [left_index, right_index] = flat_tree::Children(parent.node.index);
  HNX_ASSIGN_OR_RETURN(const TreeNode left, view_->nodes().Get(left_index));
  HNX_ASSIGN_OR_RETURN(const TreeNode right, view_->nodes().Get(right_index));
  if (left.blank() && right.blank()) {
    return CheckAbsent(parent);  // a sparse copy has only what it was given
  }
  HNX_ASSIGN_OR_RETURN(const auto children, RightChildren(parent));
  if (children) {
    stack.push_back({children->second, parent.begin + children->first.size});
    stack.push_back({children->first, parent.begin});
  }
  return {};
}

Result<void> Auditor::CheckBelow(const KnownNode& root) {
  // Depth first, from left to right: the file is read in order, and the stack holds one node a
  // level.
  std::vector<KnownNode> stack = {root};
  while (!stack.empty()) {
    const KnownNode at = stack.back();
    stack.pop_back();
    if (flat_tree::BlocksBelow(at.node.index).end <= options_.first_block) {
      continue;
    }
    if (flat_tree::Depth(at.node.index) == 0) {
      HNX_TRY(CheckBlock(at));
    } else {
      HNX_TRY(CheckChildren(at, stack));
    }
  }
  return {};
}

Result<void> Auditor::CheckBlock(const KnownNode& leaf) {
  const BlockIndex block = flat_tree::BlockOf(leaf.node.index);
  HNX_ASSIGN_OR_RETURN(const bool here, view_->bits().Has(block));
  HNX_ASSIGN_OR_RETURN(const Bytes bytes, ReadData(leaf.begin, leaf.node.size));
  const bool right = bytes.size() == leaf.node.size && LeafHash(bytes) == leaf.node.hash;
  if (here) {
    HNX_TRY(CheckPresent(leaf, bytes, right));
  } else {
    HNX_TRY(CheckAbsentBlock(leaf, right && !AllZero(bytes)));
  }
  bytes_unreported_ += bytes.size();
  if (options_.progress && bytes_unreported_ >= kProgressBytes) {
    options_.progress(std::exchange(bytes_unreported_, 0));
  }
  if (options_.on_block) {
    const ByteOffset begin(leaf.begin);
    HNX_TRY(options_.on_block(block, {begin, begin + bytes.size()}));
  }
  return {};
}

Result<void> Auditor::CheckAbsentBlock(const KnownNode& leaf, bool bytes_there) {
  const BlockIndex block = flat_tree::BlockOf(leaf.node.index);
  ++report_.blocks_absent;
  // A copy of somebody else's core writes blocks to their places before it records them, and a
  // crash may come in between.
  const std::optional<StoredKeyPair>& pair = view_->header().key_pair;
  bytes_there = bytes_there && pair && pair->secret_key;
  if (bytes_there) {
    // Between the drop and the hole a writer holds the lock on the bytes.
    const ByteRange range{ByteOffset(leaf.begin), ByteOffset(leaf.begin + leaf.node.size)};
    HNX_ASSIGN_OR_RETURN(const DataLock lock,
                         storage_.LockData(LockKind::kShared, range, LockWait::kWait));
    HNX_ASSIGN_OR_RETURN(const Bytes again, ReadData(leaf.begin, leaf.node.size));
    bytes_there = LeafHash(again) == leaf.node.hash;
  }
  if (bytes_there) {
    // A writer that cut its tail and appended the same block again has marked it since.
    HNX_ASSIGN_OR_RETURN(const bool absent, IsAbsentNow(block));
    bytes_there = absent;
  }
  if (bytes_there) {
    findings_.Bit(leaf, true, "is marked absent, but its bytes are there");
  } else if (block.value() < view_->header().contiguous_length) {
    findings_.At(
        CoreFile::kBitfield, block.value() / 8,
        BlockName(block) + " is marked absent below the contiguous length that oplog notes");
  }
  return {};
}

Result<void> Auditor::CheckPresent(const KnownNode& leaf, const Bytes& bytes, bool right) {
  const BlockIndex block = flat_tree::BlockOf(leaf.node.index);
  if (!right) {
    HNX_ASSIGN_OR_RETURN(const bool cleared, IsAbsentNow(block));
    if (cleared) {
      ++report_.blocks_absent;
      return {};
    }
  }
  ++report_.blocks_checked;
  report_.bytes_checked += bytes.size();
  if (bytes.size() < leaf.node.size) {
    findings_.Block(leaf, leaf.begin + bytes.size(),
                    "ends within " + BlockName(block) + ", which is marked present");
  } else if (!right && AllZero(bytes)) {
    findings_.Zeros(leaf);
  } else if (!right) {
    findings_.Block(leaf, leaf.begin, BlockName(block) + " is not what was signed");
  }
  return {};
}

Result<bool> Auditor::IsAbsentNow(BlockIndex block) {
  for (int i = 1;; ++i) {
    Result<OplogContent> content = ReadOplog(storage_);
    if (!content) {
      if (content.error().code == ErrorCode::kUnavailable && i < kOplogTriesMax) {
        continue;
      }
      return std::move(content).error();
    }
    HNX_ASSIGN_OR_RETURN(const std::unique_ptr<CoreView> now,
                         CoreView::LoadUnverified(storage_, *std::move(content)));
    HNX_ASSIGN_OR_RETURN(const bool here, now->Has(block));
    return !here;
  }
}

Result<void> Auditor::CheckBlankSlots() {
  const std::uint64_t length = view_->head().length;
  const std::uint64_t slots_end = flat_tree::SlotCount(length);
  const auto expect_blank = [&](TreeIndex index) -> Result<void> {
    HNX_ASSIGN_OR_RETURN(const TreeNode node, view_->nodes().Get(index));
    if (!node.blank()) {
      findings_.WrongNode(node, TreeNode{index, 0, {}},
                          "does not exist at length " + std::to_string(length) +
                              ", but something is written in its place");
    }
    return {};
  };
  // Parents that reach over the end are on the way up from the last leaf.
  if (length > 0) {
    TreeIndex at = flat_tree::LeafOf(BlockIndex(length - 1));
    while (flat_tree::LeftSpan(at) > TreeIndex(0)) {
      at = flat_tree::Parent(at);
      if (at.value() < slots_end && flat_tree::RightSpan(at).value() >= slots_end) {
        HNX_TRY(expect_blank(at));
      }
    }
  }
  HNX_ASSIGN_OR_RETURN(const std::uint64_t tree_bytes, storage_.Size(CoreFile::kTree));
  const std::uint64_t file_slots = (tree_bytes + kTreeSlotBytes - 1) / kTreeSlotBytes;
  for (std::uint64_t slot = slots_end; slot < file_slots; ++slot) {
    HNX_TRY(expect_blank(TreeIndex(slot)));
  }
  return {};
}

Result<void> Auditor::CheckBitsBeyondLength() {
  const std::uint64_t length = view_->head().length;
  HNX_ASSIGN_OR_RETURN(const std::uint64_t bitfield_bytes, storage_.Size(CoreFile::kBitfield));
  const BlockIndex end(std::max(bitfield_bytes * 8, length));
  BlockIndex at(length);
  for (;;) {
    HNX_ASSIGN_OR_RETURN(at, view_->bits().Find(true, {at, end}));
    if (at == end) {
      return {};
    }
    findings_.Bit({{flat_tree::LeafOf(at), 0, {}}, 0}, false,
                  "is marked present beyond the length " + std::to_string(length));
    ++at;
  }
}

Result<bool> Auditor::CheckOplogAndEnds() {
  for (int i = 1;; ++i) {
    report_ = AuditReport();
    HNX_ASSIGN_OR_RETURN(const bool readable, CheckOplog());
    if (!readable) {
      return false;
    }
    HNX_TRY(CheckBlankSlots());
    HNX_TRY(CheckBitsBeyondLength());
    if (report_.clean() || i >= kOplogTriesMax) {
      return true;
    }
    // A writer may just have flushed what it appended after we read the oplog.
    HNX_ASSIGN_OR_RETURN(const OplogMark now, ReadOplogMark(storage_, view_->loaded().mark));
    if (now == view_->loaded().mark) {
      return true;
    }
  }
}

Result<void> Auditor::RunOnce() {
  HNX_ASSIGN_OR_RETURN(const bool readable, CheckOplogAndEnds());
  if (!readable) {
    return {};
  }
  HNX_ASSIGN_OR_RETURN(const std::optional<std::vector<TreeNode>> roots, CheckRoots());
  if (roots) {
    std::uint64_t begin = 0;
    for (const TreeNode& root : *roots) {
      HNX_TRY(CheckBelow({root, begin}));
      begin += root.size;
    }
  }
  return {};
}

Result<bool> Auditor::TailCutMeanwhile() {
  if (view_ == nullptr) {
    return false;
  }
  HNX_ASSIGN_OR_RETURN(const OplogMark now, ReadOplogMark(storage_, view_->loaded().mark));
  if (now == view_->loaded().mark) {
    return false;
  }
  const Result<std::unique_ptr<CoreView>> fresh = CoreView::Load(storage_);
  if (!fresh) {
    return fresh.error().code == ErrorCode::kUnavailable;
  }
  // Still the same tree below our length?
  const std::uint64_t length = view_->head().length;
  if ((*fresh)->head().length < length) {
    return true;
  }
  const Result<MerkleTree> tree = (*fresh)->nodes().TreeOf(length);
  CoreHead head = view_->head();
  head.tree_hash = tree ? tree->hash() : Hash{};
  return !VerifyTree(view_->identity(), head).has_value();
}

Result<AuditReport> Auditor::Run() {
  for (int i = 1; i <= kAuditTriesMax; ++i) {
    view_.reset();
    HNX_TRY(RunOnce());
    if (report_.clean()) {
      break;
    }
    HNX_ASSIGN_OR_RETURN(const bool again, TailCutMeanwhile());
    if (!again) {
      break;
    }
  }
  if (options_.progress && bytes_unreported_ > 0) {
    options_.progress(std::exchange(bytes_unreported_, 0));
  }
  return std::move(report_);
}

}  // namespace

std::string AuditFinding::ToString() const {
  return std::string(CoreFileName(file)) + " at byte " + std::to_string(offset) + ": " + message;
}

Result<AuditReport> AuditCore(CoreStorage& storage, const AuditOptions& options) {
  return Auditor(storage, options).Run();
}

Result<AuditReport> AuditCore(CoreStorage& storage, const AuditProgress& progress) {
  AuditOptions options;
  options.progress = progress;
  return AuditCore(storage, options);
}

}  // namespace hnx::hyper
