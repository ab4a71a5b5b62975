// ExportedCore: one core in a RocksStore: what is there of it, and adding to it. What is there at
// any moment, after a crash too, is a sparse core that JavaScript opens: its head is signed, and
// each block that the bitfield tells of is there with the nodes that prove it.
//
//   Open -> [MoveTo a longer head] -> PutNode, PutBlock in rising order of blocks -> Commit
//
// Threads: one at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "corestore7/rocks_store.h"
#include "corestore7/store_keys.h"
#include "corestore7/store_records.h"
#include "hyper/codec/index_types.h"
#include "hyper/core/core_head.h"
#include "hyper/core/merkle_tree.h"

namespace hnx::corestore7 {

// One batch, which is in memory: when either is reached it is written.
inline constexpr std::size_t kExportBatchBytesMax = std::size_t{4} << 20;
inline constexpr std::size_t kExportBatchRecordsMax = 8192;

class ExportedCore {
 public:
  // `store` must outlive it. A core that is not there yet has length 0.
  static Result<ExportedCore> Open(RocksStore& store, const hyper::DiscoveryKey& key);

  std::uint64_t length() const { return head_.length; }
  std::uint64_t fork() const { return head_.fork; }
  const hyper::Hash& tree_hash() const { return head_.tree_hash; }

  // Which blocks are there. Beyond the length nothing is.
  Result<bool> Has(hyper::BlockIndex block);
  // The first block of the range that is not there; the range's end when there is none.
  Result<hyper::BlockIndex> FirstAbsent(hyper::BlockRange blocks);

  // Its new head and who signs it, with the nodes that make it the tree's; written at once. Makes
  // the core when it is not there; the first of a store is the one that it opens without a key.
  Result<void> MoveTo(const AuthRecord& auth, const hyper::CoreHead& head,
                      const std::vector<hyper::TreeNode>& roots);
  void PutNode(const hyper::TreeNode& node);
  // The nodes that prove it were put before.
  Result<void> PutBlock(hyper::BlockIndex block, Bytes bytes);
  // Writes what was put and not written yet.
  Result<void> Commit();

 private:
  using PageBits = std::array<std::byte, kPageBytes>;
  struct Page {
    std::optional<std::uint64_t> number;
    bool dirty = false;
    PageBits bits{};
  };

  explicit ExportedCore(RocksStore& store) : store_(&store) {}

  void Put(Bytes key, Bytes value);
  Result<void> LoadPage(std::uint64_t number, Page& page);
  // Of the page that is written to, or else of the one that is read.
  Result<const PageBits*> BitsOf(std::uint64_t number);
  // Numbers for a core that is new in the store.
  Result<void> Allocate();

  RocksStore* store_;
  std::optional<CoreRecord> record_;  // none: the core is not in the store yet
  hyper::DiscoveryKey key_;
  HeadRecord head_;
  std::uint64_t contiguous_length_ = 0;
  Page writing_;
  Page reading_;
  std::vector<StoreRecord> batch_;
  std::size_t batch_bytes_ = 0;
};

}  // namespace hnx::corestore7
