// ReleaseWalk: one release's walk over References, from the frontier in the store to the frontier
// in the store:
//
//   NextFrontier -> transfers (HttpClient's thread) -> verifier threads -> SaveWalkResults
//                          ^                                                   |
//                          +--------- paths that the save discovered ----------+
//
// The caller's thread does the first and the last step; the others run beside it. At most
// window_max paths and about kHeldBytesMax bytes are between the steps. What a save discovers is
// asked for without reading it back, as far as kReadyMax paths; all is in the store, so a walk may
// end at any instruction and goes on where its last save was.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "coordinator/store/walk_store.h"
#include "coordinator/walk/narinfo_source.h"
#include "coordinator/walk/narinfo_verifier.h"
#include "coordinator/walk/upstream_health.h"
#include "coordinator/walk/walk_failure.h"
#include "coordinator/walk/walk_gate.h"

namespace hnx::coordinator {

// The names are those of the options.
struct WalkOptions {
  std::size_t walk_window_max = 4'096;  // paths between frontier and save
  std::size_t walk_batch = 2'048;       // paths in one save, at most
  int verify_threads = 2;
  WalkFailureOptions failures;
  RetryPolicy upstream_pauses{.base = std::chrono::milliseconds(1'000),
                              .cap = std::chrono::milliseconds(120'000),
                              .retry_after_cap = std::chrono::milliseconds(3'600'000)};
};

// Why Run returned without an error.
enum class WalkEnd {
  kFinished,  // FinishWalk was called
  kWaiting,   // nothing can be done before `wait`
  kStopping,  // the caller asked
};

struct WalkOutcome {
  WalkEnd end = WalkEnd::kFinished;
  std::chrono::milliseconds wait{0};
};

struct WalkStatistics {
  std::uint64_t narinfos_saved = 0;
  std::uint64_t failures = 0;  // missing and set aside
  std::uint64_t retries = 0;
  std::uint64_t narinfos_changed = 0;
  std::uint64_t nar_hashes_changed = 0;
};

class ReleaseWalk {
 public:
  static constexpr std::uint64_t kHeldBytesMax = std::uint64_t{64} << 20U;
  static constexpr std::size_t kWindowMin = 8;
  // Discovered paths that wait to be asked for; more of them are read from the store. About 5 MiB.
  static constexpr std::size_t kReadyMax = 32'768;

  // All must outlive the walk; transfers that are still under way when it is destroyed end unheard.
  ReleaseWalk(WalkRelease release, WalkStore& store, NarInfoSource& source,
              std::shared_ptr<NarInfoVerifier> verifier, const WalkOptions& options,
              const Clock& clock);
  ~ReleaseWalk();
  ReleaseWalk(const ReleaseWalk&) = delete;
  ReleaseWalk& operator=(const ReleaseWalk&) = delete;

  // Until the frontier is empty, or nothing can be done now, or `stop` says so. Errors are the
  // store's, and kFailedPrecondition when the upstream refuses us altogether.
  Result<WalkOutcome> Run(const std::function<bool()>& stop);

  const WalkStatistics& statistics() const { return statistics_; }

 private:
  class Inbox;

  // Looks at the upstream as a whole; how the walk stands when it is to wait.
  Result<std::optional<WalkOutcome>> CheckUpstream();
  Result<bool> ExpandKnown(const std::function<bool()>& stop);
  // Asks for frontier paths until the window is full or none is left.
  Result<void> Dispatch();
  bool MayReadFrontier();
  Result<void> ReadFrontier();
  Result<void> ClaimShare();
  // Nothing is under way though something could be asked for: waits for the gate.
  bool WaitForGate();
  void Ask(FrontierPath path);
  Result<void> SaveAnswers(std::vector<WalkAnswer> answers);
  void TakeDiscovered(SaveOutcome& saved);
  PathFailure DecideFailure(const WalkAnswer& answer, bool& held_back);
  Result<void> HoldBackUpstream(const http::HttpFailure& failure);
  void AdaptWindow(std::size_t answers, std::size_t transient_failures);
  // Nothing is under way: how the walk stands. Nothing: go on.
  Result<std::optional<WalkOutcome>> WhenIdle();

  const WalkRelease release_;
  WalkStore& store_;
  NarInfoSource& source_;
  const std::shared_ptr<NarInfoVerifier> verifier_;  // shared with the transfers
  const WalkOptions& options_;
  const Clock& clock_;
  UpstreamHealth health_;
  const std::shared_ptr<Inbox> inbox_;
  std::mt19937_64 random_;

  std::unordered_set<PathId> under_way_;  // at most window_
  std::size_t window_;
  std::deque<FrontierPath> ready_;  // to be asked for; at most kReadyMax
  PathId cursor_ = 0;
  // The stored frontier may hold paths that are neither ready nor under way.
  bool store_ahead_ = true;
  std::optional<std::chrono::milliseconds> next_ready_;
  Clock::SteadyTime paused_until_{};
  Clock::SteadyTime next_claim_{};
  WalkGate gate_;
  std::optional<Error> refused_by_upstream_;
  WalkStatistics statistics_;
};

}  // namespace hnx::coordinator
