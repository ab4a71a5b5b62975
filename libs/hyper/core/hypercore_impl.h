// The inside of Hypercore, shared by its source files; nobody else includes it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hyper/core/core_view.h"
#include "hyper/core/hypercore.h"
#include "hyper/core/oplog.h"

namespace hnx::hyper {

// Blocks whose bytes are in `data` and whose nodes are here, until a commit takes them.
struct StagedBlocks {
  MerkleTree tree;              // the committed tree and all that is staged
  std::vector<TreeNode> nodes;  // made by what is staged

  friend bool operator==(const StagedBlocks&, const StagedBlocks&) = default;
};

class Hypercore::Impl {
 public:
  Impl(std::unique_ptr<CoreStorage> storage_in, std::unique_ptr<CoreView> view_in,
       OplogWriter oplog_in)
      : storage(std::move(storage_in)),
        view(std::move(view_in)),
        oplog(oplog_in),
        staged{view->tree(), {}} {}

  // kFailedPrecondition after a failure that left the files in a state we do not know.
  Result<void> Usable() const;
  Result<void> WritableNow() const;
  Error OutOfOrder(const std::string& what) const;

  bool anything_staged() const { return !staged.nodes.empty(); }
  // Writes behind what is staged, as blocks of these lengths; `bytes` is their concatenation.
  Result<void> StageWhole(ByteView bytes, std::span<const std::size_t> block_lengths);
  // Returns to what was staged at an earlier moment, cutting `data`.
  Result<void> UnstageTo(const StagedBlocks& earlier);

  // Appends the entry to the oplog and syncs it; then it is true. `tree` is the tree after it.
  Result<void> Record(const OplogEntry& entry, MerkleTree tree);
  // The signature of this tree as our head.
  Result<Bytes> SignHead(const MerkleTree& tree, std::uint64_t fork) const;
  // A flush that fails is told to the log only: what was recorded stands, and the next one tries
  // again.
  void FlushIfDue();
  Result<void> Flush();
  // After loading: cuts off what a crash left behind, and makes durable what was read.
  Result<void> Repair();
  Result<void> CheckDataLength();
  // Punches the blocks and cleared neighbours that share their pages of the disk.
  Result<void> Punch(BlockRange blocks);
  // How far a hole may reach beyond `edge` on either side.
  Result<BlockIndex> ClearedBefore(BlockIndex edge);
  Result<BlockIndex> ClearedBehind(BlockIndex edge);

  std::unique_ptr<CoreStorage> storage;
  std::unique_ptr<CoreView> view;
  OplogWriter oplog;
  OpenReport report;

  StagedBlocks staged;
  std::optional<MerkleTree> prepared;  // what PrepareCommit synced
  bool stream_open = false;
  bool holes_unsynced = false;
  bool broken = false;
};

}  // namespace hnx::hyper
