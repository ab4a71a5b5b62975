// ReadAheadBudget: what all streams of a node together may have asked for ahead of their readers.
// Each stream may take its even share; a slow reader holds no more than that, and a stream that can
// take nothing goes on block by block.
//
// Threads: any.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/mutex.h"

namespace hnx::hyper {

// Bytes of blocks that were asked for ahead, over all streams.
inline constexpr std::uint64_t kReadAheadBytesAllMax = std::uint64_t{32} << 20;

class ReadAheadBudget {
 public:
  explicit ReadAheadBudget(std::uint64_t bytes_max = kReadAheadBytesAllMax)
      : bytes_max_(bytes_max) {}

  void Enter() HNX_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    ++streams_;
  }
  // What it took was given back.
  void Leave() HNX_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    --streams_;
  }
  // False: the stream that has taken `held` so far may not take so many more now.
  bool Take(std::uint64_t bytes, std::uint64_t held) HNX_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    const std::uint64_t share = bytes_max_ / std::max<std::size_t>(streams_, 1);
    if (held + bytes > share || taken_ + bytes > bytes_max_) {
      return false;
    }
    taken_ += bytes;
    return true;
  }
  void Give(std::uint64_t bytes) HNX_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    taken_ -= bytes;
  }
  std::uint64_t taken() const HNX_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return taken_;
  }

 private:
  const std::uint64_t bytes_max_;
  mutable Mutex mutex_;
  std::size_t streams_ HNX_GUARDED_BY(mutex_) = 0;
  std::uint64_t taken_ HNX_GUARDED_BY(mutex_) = 0;
};

}  // namespace hnx::hyper
