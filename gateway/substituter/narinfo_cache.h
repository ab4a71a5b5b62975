// NarInfoCache: answers for narinfos that were found complete, least recently used out first,
// within a budget of bytes. An entry counts for the version of the mirror at which it was resolved;
// for a later one its index entry has to be looked at again (Confirm), which is much less than
// resolving it. No entry counts longer than kNarInfoAgeMax. Thread-safe.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "base/mutex.h"
#include "http/http_server.h"

namespace hnx::gateway {

// A shard's folder may be taken away under us without a new version of the index.
inline constexpr std::chrono::minutes kNarInfoAgeMax{5};

class NarInfoCache {
 public:
  using Answer = std::shared_ptr<const http::PreparedResponse>;

  NarInfoCache(std::uint64_t bytes_max, const Clock& clock)
      : bytes_max_(bytes_max), clock_(clock) {}

  struct Found {
    Answer answer;       // nullptr: not there, or resolved too long ago
    std::string etag{};  // set when the entry is of another version
  };
  Found Find(std::string_view hash, std::uint64_t version);
  // `etag` names the narinfo's bytes in the index.
  void Put(std::string_view hash, std::uint64_t version, std::string etag, Answer answer);
  // The index still names the same bytes at `version`.
  void Confirm(std::string_view hash, std::uint64_t version);
  // Everything has to be resolved again.
  void Clear();
  std::uint64_t size_bytes() const;

 private:
  struct Entry {
    std::string hash;
    std::uint64_t version;
    std::string etag;
    Clock::SteadyTime resolved_at;
    std::uint64_t bytes;
    Answer answer;
  };
  struct Slice {
    mutable Mutex mutex;
    std::list<Entry> entries HNX_GUARDED_BY(mutex);  // most recently used first
    // Keys are views of Entry::hash.
    std::unordered_map<std::string_view, std::list<Entry>::iterator> places HNX_GUARDED_BY(mutex);
    std::uint64_t bytes HNX_GUARDED_BY(mutex) = 0;
  };
  static constexpr std::size_t kSlices = 16;  // so that threads rarely meet

  Slice& SliceOf(std::string_view hash);
  static void Remove(Slice& slice, std::list<Entry>::iterator place) HNX_REQUIRES(slice.mutex);

  const std::uint64_t bytes_max_;
  const Clock& clock_;
  std::array<Slice, kSlices> slices_;
};

}  // namespace hnx::gateway
