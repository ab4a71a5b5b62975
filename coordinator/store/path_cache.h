// PathCache: number and membership of the paths that the walk met last, so that a reference to one
// of them needs no look-up in the database. Most references point at few paths. Of fixed size,
// made when it is first written to. Thread-safe.
//
// Nothing in it can become wrong while PostgreSQL's server stays the same (same_server.h): a path's
// number never changes, paths are never deleted (also not when they retire), and a release loses
// paths only when it ends. But only what was committed may be put into it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "coordinator/store/walk_store.h"

namespace hnx::coordinator {

class PathCache {
 public:
  static constexpr std::size_t kEntries = std::size_t{1} << 17U;  // 7 MiB
  static constexpr std::size_t kWays = 4;                         // places where a hash may stand

  struct Known {
    PathId path = 0;
    ReleaseId release = 0;  // one that contains it; 0: none is known
  };

  // `hash`: 32 characters of nix32.
  std::optional<Known> Find(std::string_view hash) HNX_EXCLUDES(mutex_);
  void Put(std::string_view hash, Known known) HNX_EXCLUDES(mutex_);
  void Clear() HNX_EXCLUDES(mutex_);

 private:
  using Hash = std::array<char, 32>;
  struct Entry {
    Hash hash{};
    Known known{};  // path 0: empty
    bool used = false;
  };
  // The first of the kWays entries where the hash may stand.
  static std::size_t SetOf(const Hash& hash);

  Mutex mutex_;
  std::vector<Entry> entries_ HNX_GUARDED_BY(mutex_);
};

}  // namespace hnx::coordinator
