#include "gateway/substituter/narinfo_cache.h"

#include <utility>

namespace hnx::gateway {
namespace {
// List and map nodes, the prepared answer and its headers.
constexpr std::uint64_t kOverheadBytes = 1024;
}  // namespace

NarInfoCache::Slice& NarInfoCache::SliceOf(std::string_view hash) {
  return slices_.at(std::hash<std::string_view>{}(hash) % kSlices);
}

NarInfoCache::Found NarInfoCache::Find(std::string_view hash, std::uint64_t version) {
  Slice& slice = SliceOf(hash);
  MutexLock lock(slice.mutex);
  const auto found = slice.places.find(hash);
  if (found == slice.places.end()) {
    return {};
  }
  const auto place = found->second;
  if (clock_.Steady() - place->resolved_at > kNarInfoAgeMax) {
    Remove(slice, place);
    return {};
  }
  slice.entries.splice(slice.entries.begin(), slice.entries, place);
  return {place->answer, place->version == version ? std::string() : place->etag};
}

void NarInfoCache::Confirm(std::string_view hash, std::uint64_t version) {
  Slice& slice = SliceOf(hash);
  MutexLock lock(slice.mutex);
  if (const auto found = slice.places.find(hash); found != slice.places.end()) {
    found->second->version = version;
  }
}

void NarInfoCache::Put(std::string_view hash, std::uint64_t version, std::string etag,
                       Answer answer) {
  const std::uint64_t bytes = answer->body().size() + kOverheadBytes;
  Slice& slice = SliceOf(hash);
  MutexLock lock(slice.mutex);
  if (const auto found = slice.places.find(hash); found != slice.places.end()) {
    Remove(slice, found->second);
  }
  slice.entries.push_front(Entry{std::string(hash), version, std::move(etag), clock_.Steady(),
                                 bytes, std::move(answer)});
  slice.places.emplace(slice.entries.front().hash, slice.entries.begin());
  slice.bytes += bytes;
  while (slice.bytes > bytes_max_ / kSlices && !slice.entries.empty()) {
    Remove(slice, std::prev(slice.entries.end()));
  }
}

void NarInfoCache::Remove(Slice& slice, std::list<Entry>::iterator place) {
  slice.bytes -= place->bytes;
  slice.places.erase(place->hash);
  slice.entries.erase(place);
}

void NarInfoCache::Clear() {
  for (Slice& slice : slices_) {
    MutexLock lock(slice.mutex);
    slice.places.clear();
    slice.entries.clear();
    slice.bytes = 0;
  }
}

std::uint64_t NarInfoCache::size_bytes() const {
  std::uint64_t total = 0;
  for (const Slice& slice : slices_) {
    MutexLock lock(slice.mutex);
    total += slice.bytes;
  }
  return total;
}

}  // namespace hnx::gateway
