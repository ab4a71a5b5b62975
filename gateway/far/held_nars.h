// HeldNars: which NARs a cache on disk holds (or has begun to), in the order of their last use.
// Kept in a file, so that a cache is bounded after a restart too:
//
//   + <drive's id> <first block> <blocks> <first byte> <bytes>\n     was used: blocks of a drive
//   + file <its name> <bytes>\n                                      the same: a file of its own
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
#include <string>
#include <vector>

#include "base/file.h"
#include "base/mutex.h"
#include "base/result.h"
#include "hyper/blobs/blob_id.h"
#include "hyper/drive/drive_key.h"

namespace hnx::gateway {

// Blocks of a drive, or a file that came from a fallback.
struct HeldNar {
  hyper::DriveKey drive;
  hyper::BlobId blob;
  std::string file{};  // not empty: a file; of `blob` its length counts only

  static HeldNar File(std::string name, std::uint64_t size_bytes);
  auto operator<=>(const HeldNar&) const = default;
};

inline constexpr std::size_t kHeldNarsMax = 4'000'000;

class HeldNars {
 public:
  static Result<std::unique_ptr<HeldNars>> Open(std::filesystem::path file);

  // The most recently used from now on.
  void Use(const HeldNar& blob) HNX_EXCLUDES(mutex_);
  void Forget(const HeldNar& blob) HNX_EXCLUDES(mutex_);
  // All of a drive.
  void ForgetDrive(const hyper::DriveKey& drive) HNX_EXCLUDES(mutex_);
  // Its bytes go out or come in now: not among those to evict. One call each.
  void Pin(const HeldNar& blob) HNX_EXCLUDES(mutex_);
  void Unpin(const HeldNar& blob) HNX_EXCLUDES(mutex_);

  // Those that have to go so that at most `bytes_max` are left, the least recently used first, none
  // that is pinned.
  std::vector<HeldNar> Beyond(std::uint64_t bytes_max) const HNX_EXCLUDES(mutex_);
  std::vector<HeldNar> Files() const HNX_EXCLUDES(mutex_);
  std::set<hyper::DriveKey> Drives() const HNX_EXCLUDES(mutex_);
  std::uint64_t bytes() const HNX_EXCLUDES(mutex_);
  std::size_t count() const HNX_EXCLUDES(mutex_);

 private:
  explicit HeldNars(std::filesystem::path file) : file_(std::move(file)) {}

  Result<void> Load() HNX_EXCLUDES(mutex_);
  void Remember(const HeldNar& blob) HNX_REQUIRES(mutex_);
  bool Drop(const HeldNar& blob) HNX_REQUIRES(mutex_);
  void Append(char sign, const HeldNar& blob) HNX_REQUIRES(mutex_);
  // All that is held, in one go.
  Result<void> Rewrite() HNX_REQUIRES(mutex_);

  const std::filesystem::path file_;
  mutable Mutex mutex_;
  UniqueFd log_ HNX_GUARDED_BY(mutex_);
  std::uint64_t lines_ HNX_GUARDED_BY(mutex_) = 0;
  std::list<HeldNar> order_ HNX_GUARDED_BY(mutex_);  // least recently used first
  std::map<HeldNar, std::list<HeldNar>::iterator> places_ HNX_GUARDED_BY(mutex_);
  std::multiset<HeldNar> pinned_ HNX_GUARDED_BY(mutex_);
  std::uint64_t bytes_ HNX_GUARDED_BY(mutex_) = 0;
};

}  // namespace hnx::gateway
