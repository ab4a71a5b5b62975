// Which blocks of a core are there: the file `bitfield` (docs/formats/hypercore-bitfield.md) under
// what the oplog says and the file does not have yet.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/result.h"
#include "hyper/codec/index_types.h"
#include "hyper/core/core_storage.h"
#include "hyper/core/page_cache.h"

namespace hnx::hyper {

class Bitfield {
 public:
  static constexpr std::uint64_t kBitsPerPage = PageCache::kPageBytes * 8;

  // `storage` must outlive the bitfield.
  explicit Bitfield(CoreStorage& storage)
      : storage_(storage), pages_(storage, CoreFile::kBitfield) {}

  Result<bool> Has(BlockIndex block);
  // The first block of the range whose bit is `value`; the range's end when there is none.
  Result<BlockIndex> Find(bool value, BlockRange range);
  // The last block of the range whose bit is set.
  Result<std::optional<BlockIndex>> FindLastSet(BlockRange range);

  void Set(BlockRange range, bool value);
  // Ranges that were set to `value` since the last flush, merged and in order.
  std::vector<BlockRange> Pending(bool value) const;

  // As TreeStore: writes whole pages; pending until Flushed.
  Result<void> WritePending();
  void Flushed();
  // Reads the file anew.
  void DropPages() { pages_.Drop(); }

 private:
  struct Run {
    BlockIndex end;
    bool value;
  };

  // The run that covers the block, or end().
  std::map<BlockIndex, Run>::const_iterator RunAt(BlockIndex block) const;
  // As Find, in the file alone.
  Result<BlockIndex> FindInFile(bool value, BlockRange range);
  Result<void> WritePage(std::uint64_t number);

  CoreStorage& storage_;
  PageCache pages_;
  std::map<BlockIndex, Run> pending_;  // by first block; runs do not overlap
};

}  // namespace hnx::hyper
