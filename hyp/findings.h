// What a verification found wrong, collected from several threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace hnx::hyp {

// Further ones are counted, not kept.
inline constexpr std::size_t kFindingsMax = 1000;

class Findings {
 public:
  void Add(std::string finding) HNX_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    ++total_;
    if (kept_.size() < kFindingsMax) {
      kept_.push_back(std::move(finding));
    }
  }
  void Clear() HNX_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    total_ = 0;
    kept_.clear();
  }
  std::uint64_t total() const HNX_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return total_;
  }
  std::vector<std::string> kept() const HNX_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return kept_;
  }

 private:
  mutable Mutex mutex_;
  std::vector<std::string> kept_ HNX_GUARDED_BY(mutex_);
  std::uint64_t total_ HNX_GUARDED_BY(mutex_) = 0;
};

}  // namespace hnx::hyp
