// The nodes of a core: the file `tree` (docs/formats/hypercore-tree.md) under what the oplog says
// and the file does not have yet.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "hyper/codec/index_types.h"
#include "hyper/core/core_storage.h"
#include "hyper/core/merkle_tree.h"
#include "hyper/core/page_cache.h"
#include "hyper/core/tree_nodes.h"

namespace hnx::hyper {

// u64le size || hash.
inline constexpr std::size_t kTreeSlotBytes = 40;

class TreeStore final : public TreeNodes {
 public:
  // `storage` must outlive the store.
  explicit TreeStore(CoreStorage& storage) : storage_(storage), pages_(storage, CoreFile::kTree) {}

  Result<TreeNode> Get(TreeIndex index) override;
  std::string Name() const override { return storage_.Name(); }

  void Put(const TreeNode& node);
  // Forgets every node that a tree of `length` blocks does not have.
  void CutTo(std::uint64_t length);

  // Writes what is pending into the file; it stays pending (and is written again should a later
  // step fail) until Flushed says that the oplog no longer repeats it.
  Result<void> WritePending();
  void Flushed();
  // Reads the file anew.
  void DropPages() { pages_.Drop(); }

 private:
  CoreStorage& storage_;
  PageCache pages_;
  std::map<TreeIndex, TreeNode> pending_;  // blank = to be erased
  // The file's nodes from this length on do not count any more.
  std::optional<std::uint64_t> cut_to_;
};

}  // namespace hnx::hyper
