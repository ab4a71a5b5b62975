#include "coordinator/store/path_cache.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace hnx::coordinator {
namespace {

std::array<char, 32> Copy(std::string_view hash) {
  std::array<char, 32> copy{};
  HNX_CHECK(hash.size() == copy.size());
  std::copy(hash.begin(), hash.end(), copy.begin());
  return copy;
}

}  // namespace

// Whoever crafts hashes that fall together makes himself slow and nobody wrong.
std::size_t PathCache::SetOf(const Hash& hash) {
  std::array<std::uint64_t, 2> words{};
  std::memcpy(words.data(), hash.data(), sizeof(words));
  constexpr std::uint64_t kMultiplier = 0x9E3779B97F4A7C15ULL;
  const std::uint64_t mixed = (words[0] ^ (words[1] * kMultiplier)) * kMultiplier;
  constexpr unsigned kUpperBits = 40;
  return (mixed >> kUpperBits) % (kEntries / kWays) * kWays;
}

std::optional<PathCache::Known> PathCache::Find(std::string_view hash) {
  const Hash wanted = Copy(hash);
  MutexLock lock(mutex_);
  if (entries_.empty()) {
    return std::nullopt;
  }
  const std::size_t set = SetOf(wanted);
  for (std::size_t i = set; i < set + kWays; ++i) {
    if (entries_[i].known.path != 0 && entries_[i].hash == wanted) {
      entries_[i].used = true;
      return entries_[i].known;
    }
  }
  return std::nullopt;
}

void PathCache::Put(std::string_view hash, Known known) {
  const Hash wanted = Copy(hash);
  MutexLock lock(mutex_);
  entries_.resize(kEntries);
  const std::size_t set = SetOf(wanted);
  for (std::size_t i = set; i < set + kWays; ++i) {
    if (entries_[i].known.path != 0 && entries_[i].hash == wanted) {
      entries_[i].known = known;
      return;
    }
  }
  // An empty place, else one that nobody asked for since it was last passed over, beginning at any.
  std::optional<std::size_t> place;
  for (std::size_t i = set; !place && i < set + kWays; ++i) {
    if (entries_[i].known.path == 0) {
      place = i;
    }
  }
  const auto first = static_cast<std::size_t>(known.path) % kWays;
  for (std::size_t i = 0; !place && i < kWays; ++i) {
    Entry& entry = entries_[set + (first + i) % kWays];
    if (!entry.used) {
      place = set + (first + i) % kWays;
    }
    entry.used = false;
  }
  entries_[place.value_or(set + first)] = {.hash = wanted, .known = known, .used = false};
}

void PathCache::Clear() {
  MutexLock lock(mutex_);
  entries_.clear();
}

}  // namespace hnx::coordinator
