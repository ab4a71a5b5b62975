// What a power cut may leave of a core's files: everything that was synced, and of the later
// changes any subset, each write of it whole, torn, or as zeros of the same length.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "hyper/storage/memory_core_storage.h"
#include "hyper/storage/recording_core_storage.h"

namespace hnx::hyper {

class CrashingDisk {
 public:
  static constexpr std::size_t kSectorBytes = 512;

  CrashingDisk() = default;
  // A disk on which these files are, synced.
  explicit CrashingDisk(MemoryCoreFiles synced) : synced_(std::move(synced)) {}

  // The next change of the journal.
  void Apply(const RecordedChange& change);

  // The files with every change, synced or not: what a killed process leaves behind.
  std::shared_ptr<MemoryCoreFiles> AllKept() const;

  // Calls `check` with the files of: all unsynced changes kept; none; each single one dropped; each
  // single write torn at a sector, either part kept; each single write lost with its length kept;
  // `subsets` random subsets (all of them when there are no more).
  using Check = std::function<void(std::shared_ptr<MemoryCoreFiles>, const std::string& what)>;
  void ForEachOutcome(std::size_t subsets, std::mt19937_64& random, const Check& check) const;

 private:
  // How much of one unsynced change is kept.
  enum class Fate { kKept, kDropped, kHeadKept, kTailKept, kZeros };

  std::shared_ptr<MemoryCoreFiles> Outcome(const std::vector<Fate>& fates) const;
  void ForEachSubset(std::size_t subsets, std::mt19937_64& random, const Check& check) const;

  MemoryCoreFiles synced_;
  std::vector<RecordedChange> unsynced_;
};

}  // namespace hnx::hyper
