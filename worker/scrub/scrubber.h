// Scrubber: goes through everything that lies on this worker's disk, drive after drive, in rounds:
// its shards, its copies of others' shards, the index. Reads at the pace allowed, checks, mends,
// and says so to the coordinator, which may have drives gone through at once.
//
// A drive's round begins when its last one is `interval` old (or, the first time, that long after
// the drive was first seen), or when somebody asks for it. Where it stands survives a restart.
//
// Threads: hnx-scrub (RunOnce), at low priority; Cancel from any.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/service.h"
#include "worker/scrub/scrub_parts.h"
#include "worker/scrub/scrub_state.h"

namespace hnx::worker {

inline constexpr std::uint64_t kScrubRateDefault = 20'000'000;
inline constexpr std::chrono::milliseconds kScrubIntervalDefault = std::chrono::hours(24 * 30);

struct ScrubberOptions {
  std::filesystem::path state_file;
  std::uint64_t incarnation = 0;
  // 0: only what is asked for.
  std::chrono::milliseconds interval = kScrubIntervalDefault;
};

class Scrubber final : public LoopService {
 public:
  // `drives` lists what is there now. All must outlive it.
  Scrubber(ScrubberOptions options, ScrubParts parts,
           std::function<std::vector<ScrubbedDrive>()> drives, const Clock& clock = Clock::Real());
  ~Scrubber() override;
  Scrubber(const Scrubber&) = delete;
  Scrubber& operator=(const Scrubber&) = delete;
  Scrubber(Scrubber&&) = delete;
  Scrubber& operator=(Scrubber&&) = delete;

  std::chrono::milliseconds RunOnce() override;
  // Ends what runs; before Stop.
  void Cancel() { parts_.pace.Cancel(); }
  // Of the drive whose last whole round (or first sight) lies back furthest; 0: there is none.
  double OldestSeconds() const HNX_EXCLUDES(mutex_);

 private:
  struct Next {
    ScrubbedDrive drive;
    std::uint64_t ask = 0;
  };

  std::int64_t NowMs() const;
  void NoteDrives(const std::vector<ScrubbedDrive>& drives) HNX_EXCLUDES(mutex_);
  std::uint64_t AskOf(const ScrubbedDrive& drive) const;
  // None: there is nothing to do.
  std::optional<Next> Choose(const std::vector<ScrubbedDrive>& drives) const;
  void Scrub(const Next& next);
  Result<void> OnProgress(const ScrubbedDrive& drive, ScrubRound& round);
  void Finish(const ScrubbedDrive& drive, const ScrubRound& round);
  void Save();
  // Says what is new, and hears what is asked for. False: the coordinator did not answer.
  bool Report(const ScrubbedDrive* drive, const ScrubRound* round, bool whole);
  void AddTo(hypercore_nixos::v1::ScrubReport& report, const ScrubbedDrive& drive,
             const ScrubRound& round, bool whole) const;

  const ScrubberOptions options_;
  const ScrubParts parts_;
  const std::function<std::vector<ScrubbedDrive>()> drives_;
  const Clock& clock_;
  ScrubState state_;
  bool loaded_ = false;
  std::map<std::string, std::uint64_t> asked_;  // by the key's bytes
  // Rounds that are over and that the coordinator has not heard of.
  std::vector<hypercore_nixos::v1::DriveScrub> unreported_;
  std::vector<GivenUp> losses_;                          // of the drive being scrubbed, unreported
  std::map<std::string, Clock::SteadyTime> not_before_;  // by id: after trouble
  Clock::SteadyTime reported_{};
  Clock::SteadyTime saved_{};
  std::chrono::milliseconds next_call_{};
  bool told_trouble_ = false;
  mutable Mutex mutex_;
  std::int64_t oldest_ms_ HNX_GUARDED_BY(mutex_) = 0;
};

}  // namespace hnx::worker
