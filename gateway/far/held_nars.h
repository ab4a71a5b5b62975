// HeldBlobs: which NARs a cache on disk holds (or has begun to), in the order of their last use.
// Kept in a file, so that a cache is bounded after a restart too:
//
//   + <drive's id> <first block> <blocks> <first byte> <bytes>\n     was used
//   - <the same>\n                                                   went
//
// Lines are appended as things happen, and the file is written anew when it is mostly history. What
// a power cut takes of its end is learnt again when it is next used.
//
// Threads: any.
#pragma once

#include <compare>
#include <cstdint>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "base/file.h"
#include "base/mutex.h"
#include "base/result.h"
#include "hyper/blobs/blob_id.h"
#include "hyper/drive/drive_key.h"

namespace hnx::gateway {

struct HeldBlob {
  hyper::DriveKey drive;
  hyper::BlobId blob;

  auto operator<=>(const HeldBlob&) const = default;
};

inline constexpr std::size_t kHeldBlobsMax = 4'000'000;

class HeldBlobs {
 public:
  static Result<std::unique_ptr<HeldBlobs>> Open(std::filesystem::path file);

  // The most recently used from now on.
  void Use(const HeldBlob& blob) HNX_EXCLUDES(mutex_);
  void Forget(const HeldBlob& blob) HNX_EXCLUDES(mutex_);
  // Its bytes go out or come in now: not among those to evict. One call each.
  void Pin(const HeldBlob& blob) HNX_EXCLUDES(mutex_);
  void Unpin(const HeldBlob& blob) HNX_EXCLUDES(mutex_);

  // Those that have to go so that at most `bytes_max` are left, the least recently used first, none
  // that is pinned.
  std::vector<HeldBlob> Beyond(std::uint64_t bytes_max) const HNX_EXCLUDES(mutex_);
  std::uint64_t bytes() const HNX_EXCLUDES(mutex_);
  std::size_t count() const HNX_EXCLUDES(mutex_);

 private:
  explicit HeldBlobs(std::filesystem::path file) : file_(std::move(file)) {}

  Result<void> Load() HNX_EXCLUDES(mutex_);
  void Remember(const HeldBlob& blob) HNX_REQUIRES(mutex_);
  bool Drop(const HeldBlob& blob) HNX_REQUIRES(mutex_);
  void Append(char sign, const HeldBlob& blob) HNX_REQUIRES(mutex_);
  // All that is held, in one go.
  Result<void> Rewrite() HNX_REQUIRES(mutex_);

  const std::filesystem::path file_;
  mutable Mutex mutex_;
  UniqueFd log_ HNX_GUARDED_BY(mutex_);
  std::uint64_t lines_ HNX_GUARDED_BY(mutex_) = 0;
  std::list<HeldBlob> order_ HNX_GUARDED_BY(mutex_);  // least recently used first
  std::map<HeldBlob, std::list<HeldBlob>::iterator> places_ HNX_GUARDED_BY(mutex_);
  std::multiset<HeldBlob> pinned_ HNX_GUARDED_BY(mutex_);
  std::uint64_t bytes_ HNX_GUARDED_BY(mutex_) = 0;
};

}  // namespace hnx::gateway
