#include "tests/property/hyper_core/crashing_disk.h"

#include <algorithm>
#include <cstdint>

#include "base/check.h"

namespace hnx::hyper {
namespace {

void ApplyTo(std::shared_ptr<MemoryCoreFiles> files, const RecordedChange& change) {
  MemoryCoreStorage storage(std::move(files));
  switch (change.kind) {
    case RecordedChange::Kind::kWrite:
      HNX_CHECK(storage.Write(change.file, change.offset, change.bytes).has_value());
      break;
    case RecordedChange::Kind::kTruncate:
      HNX_CHECK(storage.Truncate(change.file, change.offset).has_value());
      break;
    case RecordedChange::Kind::kPunchHole:
      HNX_CHECK(storage.PunchHole(change.file, change.offset, change.length).has_value());
      break;
    case RecordedChange::Kind::kSync:
      break;
  }
}

// The first sector boundary within the write, counted in the file; 0 when there is none.
std::size_t TearingPoint(const RecordedChange& write) {
  const std::size_t to_boundary =
      CrashingDisk::kSectorBytes - write.offset % CrashingDisk::kSectorBytes;
  return to_boundary < write.bytes.size() ? to_boundary : 0;
}

}  // namespace

void CrashingDisk::Apply(const RecordedChange& change) {
  if (change.kind != RecordedChange::Kind::kSync) {
    unsynced_.push_back(change);
    return;
  }
  auto files = std::make_shared<MemoryCoreFiles>(std::move(synced_));
  const auto others = std::stable_partition(
      unsynced_.begin(), unsynced_.end(),
      [&](const RecordedChange& unsynced) { return unsynced.file == change.file; });
  std::for_each(unsynced_.begin(), others,
                [&](const RecordedChange& unsynced) { ApplyTo(files, unsynced); });
  unsynced_.erase(unsynced_.begin(), others);
  synced_ = std::move(*files);
}

std::shared_ptr<MemoryCoreFiles> CrashingDisk::AllKept() const {
  return Outcome(std::vector<Fate>(unsynced_.size(), Fate::kKept));
}

std::shared_ptr<MemoryCoreFiles> CrashingDisk::Outcome(const std::vector<Fate>& fates) const {
  auto files = std::make_shared<MemoryCoreFiles>(synced_);
  for (std::size_t i = 0; i < unsynced_.size(); ++i) {
    RecordedChange change = unsynced_[i];
    const std::size_t torn_at = TearingPoint(change);
    switch (fates[i]) {
      case Fate::kKept:
        break;
      case Fate::kDropped:
        continue;
      case Fate::kHeadKept:
        change.bytes.resize(torn_at);
        break;
      case Fate::kTailKept:
        change.bytes.erase(change.bytes.begin(),
                           change.bytes.begin() + static_cast<std::ptrdiff_t>(torn_at));
        change.offset += torn_at;
        break;
      case Fate::kZeros: {
        // Only what lies behind the old end: the length reached the disk, the bytes did not.
        const std::uint64_t size = files->of(change.file).size();
        const std::uint64_t end = change.offset + change.bytes.size();
        if (end > size) {
          files->of(change.file).resize(end);
        }
        continue;
      }
    }
    ApplyTo(files, change);
  }
  return files;
}

void CrashingDisk::ForEachOutcome(std::size_t subsets, std::mt19937_64& random,
                                  const Check& check) const {
  const std::size_t count = unsynced_.size();
  const std::vector<Fate> all_kept(count, Fate::kKept);
  check(Outcome(all_kept), "all kept");
  check(Outcome(std::vector<Fate>(count, Fate::kDropped)), "none kept");
  for (std::size_t i = 0; i < count; ++i) {
    const std::string which = "unsynced change " + std::to_string(i) + " of " +
                              std::to_string(count) + " (" +
                              std::string(CoreFileName(unsynced_[i].file)) + ")";
    std::vector<Fate> fates = all_kept;
    fates[i] = Fate::kDropped;
    check(Outcome(fates), which + " dropped");
    if (unsynced_[i].kind != RecordedChange::Kind::kWrite) {
      continue;
    }
    fates[i] = Fate::kZeros;
    check(Outcome(fates), which + " lost, its length kept");
    if (TearingPoint(unsynced_[i]) > 0) {
      fates[i] = Fate::kHeadKept;
      check(Outcome(fates), which + " torn, head kept");
      fates[i] = Fate::kTailKept;
      check(Outcome(fates), which + " torn, tail kept");
    }
  }
  ForEachSubset(subsets, random, check);
}

void CrashingDisk::ForEachSubset(std::size_t subsets, std::mt19937_64& random,
                                 const Check& check) const {
  const std::size_t count = unsynced_.size();
  const bool all = count < 16 && (std::size_t{1} << count) <= subsets;
  const std::size_t rounds = all ? std::size_t{1} << count : subsets;
  for (std::size_t round = 0; round < rounds; ++round) {
    const std::uint64_t mask = all ? round : random();
    std::vector<Fate> fates(count);
    for (std::size_t i = 0; i < count; ++i) {
      fates[i] = ((mask >> (i % 64)) & 1) != 0 ? Fate::kKept : Fate::kDropped;
    }
    check(Outcome(fates), "subset " + std::to_string(mask));
  }
}

}  // namespace hnx::hyper
