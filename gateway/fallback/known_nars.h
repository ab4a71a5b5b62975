// KnownNars: narinfos that were answered lately, so that a request for a NAR can be followed by the
// hash that it has to have: the name of its file says nothing of that. The least recently used go
// first, within a budget of bytes.
//
// Threads: any.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/mutex.h"
#include "gateway/fallback/upstreams.h"

namespace hnx::gateway {

inline constexpr std::uint64_t kKnownNarsBytesMax = std::uint64_t{16} << 20;
// What a fallback said is asked again after so long.
inline constexpr std::chrono::seconds kKnownFresh{60};

class KnownNars {
 public:
  KnownNars(const Clock& clock, std::uint64_t bytes_max) : clock_(clock), bytes_max_(bytes_max) {}

  using Known = std::shared_ptr<const SignedNarInfo>;
  // `from_fallback`: the mirror does not tell it (now).
  void Note(std::string_view hash, Known nar, bool from_fallback) HNX_EXCLUDES(mutex_);
  // By the name of its file; nullptr: not known.
  Known ByFile(std::string_view file) HNX_EXCLUDES(mutex_);
  // What a fallback said of that path a moment ago; nullptr: nothing.
  Known FreshByHash(std::string_view hash) HNX_EXCLUDES(mutex_);
  // Where a fallback had it a moment ago.
  std::optional<NarPlace> FreshPlace(std::string_view file) HNX_EXCLUDES(mutex_);
  void NotePlace(std::string_view file, const NarPlace& place) HNX_EXCLUDES(mutex_);
  // It was not what it had to be, or not there.
  void ForgetPlace(std::string_view file) HNX_EXCLUDES(mutex_);

 private:
  struct Entry {
    std::string hash;
    std::string file;
    Known nar;
    bool from_fallback = false;
    Clock::SteadyTime noted;
    std::uint64_t bytes = 0;
    std::optional<NarPlace> place{};
    Clock::SteadyTime place_noted{};
  };
  using Place = std::list<Entry>::iterator;
  bool Fresh(Clock::SteadyTime since) const { return clock_.Steady() - since < kKnownFresh; }
  Entry* Find(std::string_view file) HNX_REQUIRES(mutex_);
  void Remove(Place place) HNX_REQUIRES(mutex_);

  const Clock& clock_;
  const std::uint64_t bytes_max_;
  Mutex mutex_;
  std::list<Entry> entries_ HNX_GUARDED_BY(mutex_);  // most recently used first
  std::map<std::string, Place, std::less<>> by_hash_ HNX_GUARDED_BY(mutex_);
  std::map<std::string, Place, std::less<>> by_file_ HNX_GUARDED_BY(mutex_);
  std::uint64_t bytes_ HNX_GUARDED_BY(mutex_) = 0;
};

}  // namespace hnx::gateway
