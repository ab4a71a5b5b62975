// ReleaseWalk: one release's walk over References, from the frontier in the store to the frontier
// in the store:
//
//   NextFrontier -> transfers (HttpClient's thread) -> verifier threads -> SaveWalkResults
//                    ^   ^              |                    |                 |
//                    |   +- the next upstream is asked (PathRound)             |
//                    +--------------- paths that the save discovered ----------+
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
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/retry_policy.h"
#include "coordinator/store/walk_store.h"
#include "coordinator/walk/narinfo_verifier.h"
#include "coordinator/walk/path_round.h"
#include "coordinator/walk/walk_failure.h"
#include "coordinator/walk/walk_upstream.h"

namespace hnx::coordinator {

// The names are those of the options.
struct WalkOptions {
  // Paths between frontier and save, and requests under way at one upstream.
  std::size_t walk_window_max = 4'096;
  std::size_t walk_batch = 2'048;  // paths in one save, at most
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
  std::string message{};  // what it waits for, when people should know
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
  // Discovered paths that wait to be asked for; more of them are read from the store. About 7 MiB.
  static constexpr std::size_t kReadyMax = 32'768;

  // `upstreams`: in the order in which they are asked; at least one. All must outlive the walk, and
  // no other walk uses them meanwhile. Transfers that are still under way when it is destroyed end
  // unheard.
  ReleaseWalk(WalkRelease release, WalkStore& store, std::vector<WalkUpstream*> upstreams,
              std::shared_ptr<NarInfoVerifier> verifier, const WalkOptions& options);
  ~ReleaseWalk();
  ReleaseWalk(const ReleaseWalk&) = delete;
  ReleaseWalk& operator=(const ReleaseWalk&) = delete;

  // Until the frontier is empty, or nothing can be done now, or `stop` says so. Errors are the
  // store's, and the upstreams' when none of them can be asked: kFailedPrecondition when they
  // refuse us altogether.
  Result<WalkOutcome> Run(const std::function<bool()>& stop);

  const WalkStatistics& statistics() const { return statistics_; }

 private:
  class Inbox;

  // Looks at the upstreams as a whole; how the walk stands when it is to wait.
  Result<std::optional<WalkOutcome>> CheckUpstreams();
  Result<bool> ExpandKnown(const std::function<bool()>& stop);
  // Asks for frontier paths until the window is full or none is left.
  Result<void> Dispatch();
  Result<void> LookAtUpstreams();
  void NoteAskable();
  bool MayReadFrontier() const;
  Result<void> ReadFrontier();
  // The path's next upstream, or the end of its round.
  void Route(PathId path);
  void Pump(std::size_t upstream);
  void Ask(std::size_t upstream, const FrontierPath& path);
  // Nothing is under way though something could be asked for: waits for the gates.
  bool WaitForGate();
  Result<void> TakeAnswers(std::vector<WalkAnswer> answers);
  Result<void> Save(const std::vector<VerifiedNarInfo>& narinfos);
  void TakeDiscovered(SaveOutcome& saved);
  PathFailure DecideFailure(const WalkAnswer& answer, const FrontierPath& path, bool& held_back);
  // Nothing is under way: how the walk stands. Nothing: go on.
  Result<std::optional<WalkOutcome>> WhenIdle();
  std::optional<WalkOutcome> WaitForOthers();

  std::size_t UnderWay() const;
  std::size_t Window() const;
  bool AnyAskable() const;
  std::chrono::milliseconds ShortestWait() const;
  // The first one's error when all of them refuse us.
  std::optional<Error> AllOutOfOrder() const;

  const WalkRelease release_;
  WalkStore& store_;
  const std::vector<WalkUpstream*> upstreams_;
  const std::shared_ptr<NarInfoVerifier> verifier_;  // shared with the transfers
  const WalkOptions& options_;
  const std::shared_ptr<Inbox> inbox_;
  std::mt19937_64 random_;

  std::vector<RoundUpstream> seen_;               // upstreams_, as rounds see them
  std::vector<std::deque<PathId>> queues_;        // for each upstream: whose turn it is
  std::unordered_map<PathId, PathRound> rounds_;  // between frontier and save; at most Window()
  std::vector<PathFailure> ended_;                // rounds that are over, to be saved
  std::deque<FrontierPath> ready_;                // to be asked for; at most kReadyMax
  PathId cursor_ = 0;
  // The stored frontier may hold paths that are neither ready nor under way.
  bool store_ahead_ = true;
  std::optional<std::chrono::milliseconds> next_ready_;
  bool waits_for_others_ = false;
  WalkStatistics statistics_;
};

}  // namespace hnx::coordinator
