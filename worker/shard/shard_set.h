// ShardSet: all shards in the data directory, and which of them new NARs go to. Whole NARs go to
// one writer; each NAR that is streamed reserves one of the others. A writer that is full, sealed
// or refused is replaced by a new drive. Thread-safe.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "worker/shard/shard_writer.h"

namespace hnx::worker {

class ShardSet {
 public:
  // Opens every shard that is there. At most `streams_max` NARs are streamed at a time.
  ShardSet(ShardEnvironment& environment, const std::vector<hyper::DriveKey>& existing,
           std::size_t streams_max);

  // For whole NARs. nullptr: all is full for now; ask again when there is room.
  ShardWriter* ForWhole() HNX_EXCLUDES(mutex_);
  // Reserved for one stream; give it back with Unreserve. nullptr: none is free.
  ShardWriter* ReserveForStream() HNX_EXCLUDES(mutex_);
  void CommitSoon() HNX_EXCLUDES(mutex_);

  // Valid as long as the set.
  std::vector<ShardWriter*> All() const HNX_EXCLUDES(mutex_);
  void Stop() HNX_EXCLUDES(mutex_);

 private:
  ShardWriter* Add() HNX_REQUIRES(mutex_);

  ShardEnvironment& environment_;
  const std::size_t streams_max_;
  mutable Mutex mutex_;
  std::vector<std::unique_ptr<ShardWriter>> writers_ HNX_GUARDED_BY(mutex_);
  ShardWriter* for_whole_ HNX_GUARDED_BY(mutex_) = nullptr;
  bool stopped_ HNX_GUARDED_BY(mutex_) = false;
};

}  // namespace hnx::worker
