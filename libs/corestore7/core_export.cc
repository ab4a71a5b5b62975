#include "corestore7/core_export.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/core.h>

#include "corestore7/exported_core.h"
#include "hyper/codec/flat_tree.h"
#include "hyper/core/merkle_tree.h"

namespace hnx::corestore7 {

namespace {

namespace flat_tree = hyper::flat_tree;
using hyper::BlockIndex;
using hyper::BlockRange;
using hyper::TreeNode;

// How often something is read anew because a writer is at work in the core.
constexpr int kReadTriesMax = 16;

class CoreCopy {
 public:
  CoreCopy(hyper::CoreReader& source, ExportedCore target, const ExportProgress& progress)
      : source_(source),
        target_(std::move(target)),
        progress_(progress),
        head_(source.head()),
        roots_(source.roots()),
        length_before_(target_.length()) {}

  Result<CoreExportReport> Run();

 private:
  // A node that is known to be right, and where the bytes below it begin.
  struct Known {
    TreeNode node;
    std::uint64_t begin = 0;
  };

  Result<void> CopyBelow(const Known& root);
  Result<void> CopyChildren(const Known& parent, std::vector<Known>& stack);
  Result<void> CopyBlock(const Known& leaf);
  Result<std::optional<Bytes>> ReadBlock(const Known& leaf);
  // The first block of the range that is here and not in the store; the range's end when none is.
  Result<BlockIndex> FirstPending(BlockRange blocks);
  // The old roots became inner nodes here: what joins them to the new ones is needed by every block
  // that is in the store already.
  bool JoinsOldRoots(BlockRange blocks) const {
    return blocks.begin.value() < length_before_ && length_before_ < blocks.end.value() &&
           length_before_ < head_.length;
  }
  Result<void> CountAbsent();
  void Find(BlockRange blocks, std::string message);

  hyper::CoreReader& source_;
  ExportedCore target_;
  const ExportProgress& progress_;
  const hyper::CoreHead head_;
  const std::vector<TreeNode> roots_;
  const std::uint64_t length_before_;
  CoreExportReport report_;
};

void CoreCopy::Find(BlockRange blocks, std::string message) {
  ++report_.findings_total;
  if (report_.findings.size() < kExportFindingsMax) {
    report_.findings.push_back({blocks, std::move(message)});
  }
}

Result<BlockIndex> CoreCopy::FirstPending(BlockRange blocks) {
  BlockIndex at = blocks.begin;
  while (at < blocks.end) {
    HNX_ASSIGN_OR_RETURN(const BlockIndex here, source_.Find(true, {at, blocks.end}));
    if (here >= blocks.end) {
      break;
    }
    HNX_ASSIGN_OR_RETURN(const BlockIndex gap, source_.Find(false, {here, blocks.end}));
    const BlockIndex run_end = std::min(gap, blocks.end);
    HNX_ASSIGN_OR_RETURN(const BlockIndex absent, target_.FirstAbsent({here, run_end}));
    if (absent < run_end) {
      return absent;
    }
    at = run_end;
  }
  return blocks.end;
}

Result<CoreExportReport> CoreCopy::Run() {
  report_.length = head_.length;
  HNX_TRY(
      target_.MoveTo({source_.key(), source_.discovery_key(), source_.manifest()}, head_, roots_));
  std::uint64_t begin = 0;
  for (const TreeNode& root : roots_) {
    HNX_TRY(CopyBelow({root, begin}));
    begin += root.size;
  }
  HNX_TRY(target_.Commit());
  HNX_TRY(CountAbsent());
  return report_;
}

Result<void> CoreCopy::CopyBelow(const Known& root) {
  // Depth first, from left to right: `data` is read in order, and the stack holds one node a level.
  std::vector<Known> stack = {root};
  while (!stack.empty()) {
    const Known at = stack.back();
    stack.pop_back();
    const BlockRange blocks = flat_tree::BlocksBelow(at.node.index);
    HNX_ASSIGN_OR_RETURN(const BlockIndex pending, FirstPending(blocks));
    if (pending == blocks.end && !JoinsOldRoots(blocks)) {
      continue;
    }
    if (flat_tree::Depth(at.node.index) == 0) {
      HNX_TRY(CopyBlock(at));
    } else {
      HNX_TRY(CopyChildren(at, stack));
    }
  }
  return {};
}

Result<void> CoreCopy::CopyChildren(const Known& parent, std::vector<Known>& stack) {
  const auto [left_index, right_index] = flat_tree::Children(parent.node.index);
  const BlockRange blocks = flat_tree::BlocksBelow(parent.node.index);
  for (int i = 1;; ++i) {
    HNX_ASSIGN_OR_RETURN(const TreeNode left, source_.Node(left_index));
    HNX_ASSIGN_OR_RETURN(const TreeNode right, source_.Node(right_index));
    if (hyper::ParentOf(left, right) == parent.node) {
      target_.PutNode(left);
      target_.PutNode(right);
      stack.push_back({right, parent.begin + left.size});
      stack.push_back({left, parent.begin});
      return {};
    }
    HNX_ASSIGN_OR_RETURN(const bool changed, source_.Refresh());
    if (changed && i < kReadTriesMax) {
      continue;
    }
    HNX_ASSIGN_OR_RETURN(const BlockIndex pending, FirstPending(blocks));
    if (pending < blocks.end) {
      Find(blocks, fmt::format("tree: nodes {} and {} do not hash to node {}, so nothing proves "
                               "blocks {} to {}",
                               left_index.value(), right_index.value(), parent.node.index.value(),
                               blocks.begin.value(), blocks.end.value() - 1));
    }
    return {};  // else a sparse copy that was never told of them
  }
}

// None: it is not what was signed, or not there.
Result<std::optional<Bytes>> CoreCopy::ReadBlock(const Known& leaf) {
  if (leaf.node.size > kExportBlockBytesMax) {
    return std::optional<Bytes>();
  }
  Bytes bytes(static_cast<std::size_t>(leaf.node.size));
  const auto read = source_.ReadBytes(hyper::ByteOffset(leaf.begin), bytes);
  const bool ends_early = !read && (read.error().code == ErrorCode::kDataLoss ||
                                    read.error().code == ErrorCode::kOutOfRange);
  if (!read && !ends_early) {
    return read.error();
  }
  if (ends_early || hyper::LeafHash(bytes) != leaf.node.hash) {
    return std::optional<Bytes>();
  }
  return std::optional(std::move(bytes));
}

Result<void> CoreCopy::CopyBlock(const Known& leaf) {
  const BlockIndex block = flat_tree::BlockOf(leaf.node.index);
  HNX_ASSIGN_OR_RETURN(std::optional<Bytes> bytes, ReadBlock(leaf));
  if (!bytes) {
    HNX_TRY(source_.Refresh());
    HNX_ASSIGN_OR_RETURN(const bool here, source_.Has(block));
    if (here) {
      Find({block, block + 1}, fmt::format("data at byte {}: block {} is not what was signed",
                                           leaf.begin, block.value()));
    }
    return {};  // else its writer cleared it just now
  }
  const std::uint64_t size = bytes->size();
  HNX_TRY(target_.PutBlock(block, *std::move(bytes)));
  ++report_.blocks_written;
  report_.bytes_written += size;
  if (progress_ && !progress_(size)) {
    return Error{ErrorCode::kCancelled, "export: stopped; the same command goes on from here"};
  }
  return {};
}

Result<void> CoreCopy::CountAbsent() {
  BlockIndex at(0);
  const BlockIndex end(head_.length);
  while (at < end) {
    HNX_ASSIGN_OR_RETURN(const BlockIndex absent, target_.FirstAbsent({at, end}));
    if (absent >= end) {
      break;
    }
    HNX_ASSIGN_OR_RETURN(const BlockIndex here, source_.Find(true, {absent, end}));
    if (here > absent) {
      report_.blocks_not_here += std::min(here, end) - absent;
      at = std::min(here, end);
      continue;
    }
    at = absent + 1;  // a finding tells of it
  }
  return {};
}

Result<void> CheckAgainst(hyper::CoreReader& source, const ExportedCore& target,
                          const RocksStore& store) {
  if (target.length() == 0) {
    return {};
  }
  const std::string core = "core " + source.key().ToHex();
  if (source.length() < target.length()) {
    return FailedPrecondition(
        fmt::format("{}: the store in {} has {} blocks of it, which is newer than the {} here; "
                    "export from a newer copy, or into a new folder",
                    core, store.folder().string(), target.length(), source.length()));
  }
  const auto then = source.HeadAt(target.length());
  if (!then || then->tree_hash != target.tree_hash() || source.head().fork != target.fork()) {
    return FailedPrecondition(
        fmt::format("{}: nothing tells that what is here continues what the store in {} has ({}); "
                    "export into a "
                    "new folder",
                    core, store.folder().string(),
                    then ? "its first " + std::to_string(target.length()) + " blocks differ"
                         : then.error().message));
  }
  return {};
}

}  // namespace

Result<void> CheckExportable(hyper::CoreReader& source, RocksStore& store) {
  HNX_ASSIGN_OR_RETURN(const ExportedCore target,
                       ExportedCore::Open(store, source.discovery_key()));
  return CheckAgainst(source, target, store);
}

Result<CoreExportReport> ExportCore(hyper::CoreReader& source, RocksStore& store,
                                    const ExportProgress& progress) {
  HNX_ASSIGN_OR_RETURN(ExportedCore target, ExportedCore::Open(store, source.discovery_key()));
  HNX_TRY(CheckAgainst(source, target, store));
  auto report = CoreCopy(source, std::move(target), progress).Run();
  if (!report) {
    return report.error().Annotate("export core " + source.key().ToHex());
  }
  return report;
}

}  // namespace hnx::corestore7
