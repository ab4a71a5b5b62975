// PgPlanStore: from a finished walk to work, one short transaction at a time: depths (levels over
// the references, cycles included), what each path waits for, who is blocked by whom, the NARs of
// the release and which of them lie in a shard already, the estimate, and the decision. Every step
// may be repeated; after a crash a phase begins anew. One thread.
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "coordinator/store/pg_leader.h"
#include "coordinator/store/pg_pool.h"
#include "coordinator/store/walk_store.h"

namespace hnx::coordinator {

class PgTransaction;

// What the planner has done for a release; release.plan_phase.
enum class PlanPhase : int {
  kLevel = 0,   // next: give depths
  kWatch = 1,   // next: what each path waits for
  kBlock = 2,   // next: mark what needs a missing or set aside path
  kNars = 3,    // next: the NARs, each once, and those that are stored
  kDecide = 4,  // next: estimate and decide
  kArm = 5,     // next: say of every path that it is needed
  kDone = 6,
};

struct PlanStoreOptions {
  std::int64_t chunk_paths = 10'000;
  // A worker that was silent for longer does not count as room.
  std::int64_t worker_alive_ms = 15'000;
};

class PgPlanStore {
 public:
  // All must outlive this object.
  PgPlanStore(PgPool& pool, const PgLeader& leader, PlanStoreOptions options = {})
      : pool_(pool), leader_(leader), options_(options) {}

  // One chunk of planning; false: there is nothing to plan now.
  Result<bool> PlanStep();
  // For a release that a rescan brought back: one chunk of what comes before the decision. False:
  // done.
  Result<bool> RebuildStep(ReleaseId release);
  // Carries one change of a failed path to what needs it; false: there is none.
  Result<bool> BlockStep();

 private:
  struct Position {
    ReleaseId release = 0;
    PlanPhase phase = PlanPhase::kLevel;
    PathId after = 0;
    bool filled = false;  // kLevel: every path without a depth is in plan_work
  };
  Result<bool> StepIn(PgTransaction& transaction);
  // The step that the release's phase asks for; false: there is none before the decision.
  Result<bool> StepBeforeDecision(PgTransaction& transaction, ReleaseId release, PlanPhase phase);
  Result<bool> Level(PgTransaction& transaction);
  // What paths that never get a depth lack.
  Error NotClosed(PgTransaction& transaction) const;
  // One chunk by a statement that answers the chunk's end; true: the end of the release.
  bool Chunk(PgTransaction& transaction, std::string_view statement);
  bool Block(PgTransaction& transaction);
  bool Nars(PgTransaction& transaction);
  void Advance(PgTransaction& transaction, PlanPhase phase);
  bool Decide(PgTransaction& transaction);

  PgPool& pool_;
  const PgLeader& leader_;
  const PlanStoreOptions options_;
  Position position_;
};

}  // namespace hnx::coordinator
