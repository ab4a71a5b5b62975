// Hyperbee: a sorted map in a Hypercore, for its one writer. Readers elsewhere use BeeSnapshot over
// blocks of their own.
//
// Threads: one thread owns the bee and its core.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"
#include "hyper/bee/bee_batch.h"
#include "hyper/bee/bee_snapshot.h"
#include "hyper/bee/bee_store.h"
#include "hyper/core/hypercore.h"

namespace hnx::hyper {

// One append, whose tree nodes (80 bytes a block) are in memory until it is committed.
inline constexpr std::uint64_t kBeeBulkEntriesMax = 4'000'000;

class Hyperbee {
 public:
  // The core must outlive the bee. It is empty, or a Hyperbee.
  explicit Hyperbee(Hypercore& core, std::size_t cache_bytes_max = kBeeCacheBytesDefault);
  Hyperbee(const Hyperbee&) = delete;
  Hyperbee& operator=(const Hyperbee&) = delete;

  // The last committed version.
  BeeSnapshot snapshot() const;
  Result<std::optional<BeeEntry>> Get(ByteView key) const { return snapshot().Get(key); }
  BeeRange Range(BeeRangeOptions options) const { return snapshot().Range(std::move(options)); }

  // Batches of one. Del: false when there is no such key.
  Result<void> Put(ByteView key, ByteView value);
  Result<bool> Del(ByteView key);

  // Upon the last committed version; nothing else may be written before it is staged.
  BeeBatch Batch() const;
  // Stages the blocks of the batch in the core; Hypercore::Commit makes them the new version.
  Result<void> Stage(BeeBatch batch);
  // Stages and commits.
  Result<CoreHead> Write(BeeBatch batch);

  // The next entry in ascending order; called exactly `count` times.
  using Source = std::function<Result<std::pair<Bytes, Bytes>>()>;
  // Fills an empty bee with `count` entries and commits; see bee_bulk.h. kFailedPrecondition: not
  // empty.
  Result<CoreHead> BulkLoad(std::uint64_t count, const Source& source);

  // The core was cut to `length`.
  void ForgetFrom(std::uint64_t length) { store_.ForgetFrom(length); }

 private:
  class CoreBlocks : public BeeBlocks {
   public:
    explicit CoreBlocks(Hypercore& core) : core_(core) {}
    Result<Bytes> ReadBlock(std::uint64_t seq) const override;

   private:
    Hypercore& core_;
  };

  Result<CoreHead> StageBulk(std::uint64_t count, const Source& source);

  Hypercore& core_;
  CoreBlocks blocks_;
  BeeStore store_;
};

}  // namespace hnx::hyper
