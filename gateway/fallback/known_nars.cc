#include "gateway/fallback/known_nars.h"

#include <iterator>
#include <utility>

namespace hnx::gateway {
namespace {

// Parsed fields, nodes of lists and maps: by the narinfo's text, and at least.
constexpr std::uint64_t kBytesPerChar = 4;
constexpr std::uint64_t kOverheadBytes = 1024;

}  // namespace

void KnownNars::Note(std::string_view hash, Known nar, bool from_fallback) {
  MutexLock lock(mutex_);
  const std::string file(nar->info.nar_file_name());
  std::optional<NarPlace> place;
  Clock::SteadyTime place_noted{};
  if (const auto same = by_file_.find(file); same != by_file_.end()) {
    const Entry& entry = *same->second;
    if (!(entry.nar->info.nar_hash() == nar->info.nar_hash())) {
      if (from_fallback && !entry.from_fallback) {
        return;  // URLs are not signed: the mirror's word counts for what it names
      }
    } else {
      place = entry.place;
      place_noted = entry.place_noted;
    }
    Remove(same->second);
  }
  if (const auto before = by_hash_.find(hash); before != by_hash_.end()) {
    Remove(before->second);
  }
  const std::uint64_t bytes = nar->info.text().size() * kBytesPerChar + kOverheadBytes;
  entries_.push_front({std::string(hash), file, std::move(nar), from_fallback, clock_.Steady(),
                       bytes, std::move(place), place_noted});
  by_hash_.insert_or_assign(entries_.front().hash, entries_.begin());
  by_file_.insert_or_assign(file, entries_.begin());
  bytes_ += bytes;
  while (bytes_ > bytes_max_ && !entries_.empty()) {
    Remove(std::prev(entries_.end()));
  }
}

void KnownNars::Remove(Place place) {
  bytes_ -= place->bytes;
  by_hash_.erase(place->hash);
  by_file_.erase(place->file);
  entries_.erase(place);
}

KnownNars::Entry* KnownNars::Find(std::string_view file) {
  const auto found = by_file_.find(file);
  if (found == by_file_.end()) {
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, found->second);
  return &*found->second;
}

KnownNars::Known KnownNars::ByFile(std::string_view file) {
  MutexLock lock(mutex_);
  const Entry* const entry = Find(file);
  return entry == nullptr ? nullptr : entry->nar;
}

KnownNars::Known KnownNars::FreshByHash(std::string_view hash) {
  MutexLock lock(mutex_);
  const auto found = by_hash_.find(hash);
  return found != by_hash_.end() && found->second->from_fallback && Fresh(found->second->noted)
             ? found->second->nar
             : nullptr;
}

std::optional<NarPlace> KnownNars::FreshPlace(std::string_view file) {
  MutexLock lock(mutex_);
  const Entry* const entry = Find(file);
  return entry != nullptr && entry->place && Fresh(entry->place_noted) ? entry->place
                                                                       : std::nullopt;
}

void KnownNars::NotePlace(std::string_view file, const NarPlace& place) {
  MutexLock lock(mutex_);
  if (Entry* const entry = Find(file)) {
    entry->place = place;
    entry->place_noted = clock_.Steady();
  }
}

void KnownNars::ForgetPlace(std::string_view file) {
  MutexLock lock(mutex_);
  if (Entry* const entry = Find(file)) {
    entry->place.reset();
  }
}

}  // namespace hnx::gateway
