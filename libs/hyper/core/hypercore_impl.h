// The inside of Hypercore, shared by its source files; nobody else includes it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hyper/core/core_view.h"
#include "hyper/core/hypercore.h"
#include "hyper/core/oplog.h"
#include "hyper/core/recorded_core.h"

namespace hnx::hyper {

// Blocks whose bytes are in `data` and whose nodes are here, until a commit takes them.
struct StagedBlocks {
  MerkleTree tree;              // the committed tree and all that is staged
  std::vector<TreeNode> nodes;  // made by what is staged

  friend bool operator==(const StagedBlocks&, const StagedBlocks&) = default;
};

class Hypercore::Impl : public RecordedCore {
 public:
  Impl(std::unique_ptr<CoreStorage> storage_in, std::unique_ptr<CoreView> view_in,
       OplogWriter oplog_in)
      : RecordedCore(std::move(storage_in), std::move(view_in), oplog_in),
        staged{view->tree(), {}} {}

  Result<void> WritableNow() const;

  bool anything_staged() const { return !staged.nodes.empty(); }
  // Writes behind what is staged, as blocks of these lengths; `bytes` is their concatenation.
  Result<void> StageWhole(ByteView bytes, std::span<const std::size_t> block_lengths);
  // Returns to what was staged at an earlier moment, cutting `data`.
  Result<void> UnstageTo(const StagedBlocks& earlier);

  // The signature of this tree as our head.
  Result<Bytes> SignHead(const MerkleTree& tree, std::uint64_t fork) const;

  StagedBlocks staged;
  std::optional<MerkleTree> prepared;  // what PrepareCommit synced
  bool stream_open = false;
};

}  // namespace hnx::hyper
