#include "hyper/bee/hyperbee.h"

#include <vector>

#include <fmt/core.h>

#include "hyper/bee/bee_bulk.h"

namespace hnx::hyper {

namespace {

// Blocks handed to the core at once during a bulk load.
constexpr std::size_t kBulkChunkBlocks = 1024;

Result<void> StageAll(Hypercore& core, const std::vector<Bytes>& blocks) {
  const std::vector<ByteView> views(blocks.begin(), blocks.end());
  HNX_TRY(core.StageBlocks(views));
  return {};
}

}  // namespace

Result<Bytes> Hyperbee::CoreBlocks::ReadBlock(std::uint64_t seq) const {
  return core_.Get(BlockIndex(seq));
}

Hyperbee::Hyperbee(Hypercore& core, std::size_t cache_bytes_max)
    : core_(core), blocks_(core), store_(blocks_, cache_bytes_max) {}

BeeSnapshot Hyperbee::snapshot() const {
  return {store_, core_.length()};
}

BeeBatch Hyperbee::Batch() const {
  return {store_, core_.length()};
}

Result<void> Hyperbee::Put(ByteView key, ByteView value) {
  BeeBatch batch = Batch();
  HNX_TRY(batch.Put(key, value));
  HNX_TRY(Write(std::move(batch)));
  return {};
}

Result<bool> Hyperbee::Del(ByteView key) {
  BeeBatch batch = Batch();
  HNX_ASSIGN_OR_RETURN(const bool found, batch.Del(key));
  if (found) {
    HNX_TRY(Write(std::move(batch)));
  }
  return found;
}

Result<void> Hyperbee::Stage(BeeBatch batch) {
  const std::vector<Bytes> blocks = std::move(batch).Encode();
  return StageAll(core_, blocks);
}

Result<CoreHead> Hyperbee::Write(BeeBatch batch) {
  HNX_TRY(Stage(std::move(batch)));
  return core_.Commit();
}

Result<CoreHead> Hyperbee::BulkLoad(std::uint64_t count, const Source& source) {
  if (core_.length() > 1 || core_.staged_length() > core_.length()) {
    return FailedPrecondition(fmt::format(
        "bulk load into {}: it has entries already; put them in batches instead", core_.name()));
  }
  if (count > kBeeBulkEntriesMax) {
    return ResourceExhausted(fmt::format("bulk load of {} entries, more than the limit of {}",
                                         count, kBeeBulkEntriesMax));
  }
  auto head = StageBulk(count, source);
  if (!head) {
    HNX_TRY(core_.DropStaged());
  }
  return head;
}

Result<CoreHead> Hyperbee::StageBulk(std::uint64_t count, const Source& source) {
  std::vector<Bytes> chunk;
  if (core_.length() == 0) {
    chunk.push_back(EncodeBeeHeader({}));
  }
  BeeBulkLoad load(1, count);
  for (std::uint64_t i = 0; i < count; ++i) {
    HNX_ASSIGN_OR_RETURN(const auto entry, source());
    HNX_ASSIGN_OR_RETURN(Bytes block, load.Add(entry.first, entry.second));
    chunk.push_back(std::move(block));
    if (chunk.size() == kBulkChunkBlocks) {
      HNX_TRY(StageAll(core_, chunk));
      chunk.clear();
    }
  }
  HNX_TRY(StageAll(core_, chunk));
  return core_.Commit();
}

}  // namespace hnx::hyper
