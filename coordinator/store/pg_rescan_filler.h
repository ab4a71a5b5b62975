// PgRescanFiller: brings what a rescan staged (PgRescanStore) to where it belongs, one bounded
// transaction a step, from RescanPhase::kCheck to kDone. Every step may be repeated. Depths, cycles
// and the NARs of releases are the planner's work, done by its own code. Needs the leadership
// throughout. One thread.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "coordinator/store/pg_leader.h"
#include "coordinator/store/pg_plan_store.h"
#include "coordinator/store/pg_pool.h"
#include "coordinator/store/rescan_types.h"

namespace hnx::coordinator {

class PgTransaction;

struct RescanFillOptions {
  std::int64_t chunk_paths = 5'000;
  // Of releases; no drive says it.
  double max_missing = 0.05;
};

class PgRescanFiller {
 public:
  // Both must outlive this object.
  PgRescanFiller(PgPool& pool, const PgLeader& leader, RescanFillOptions options = {});

  // One step; false: the rescan is done.
  Result<bool> Step();
  // The phase after the last step.
  RescanPhase phase() const { return phase_; }

 private:
  Result<bool> StepIn(PgTransaction& transaction);
  void Move(PgTransaction& transaction, RescanPhase phase, const std::string& position = "");
  void Check(PgTransaction& transaction);
  void Shards(PgTransaction& transaction);
  bool Paths(PgTransaction& transaction);
  void Failed(PgTransaction& transaction);
  bool References(PgTransaction& transaction);
  void Vanished(PgTransaction& transaction);
  Result<bool> Members(PgTransaction& transaction);
  Result<std::int64_t> ReleaseRow(PgTransaction& transaction, std::int64_t staged,
                                  const std::string& channel, const std::string& name,
                                  int manifest_revision);
  bool Settle(PgTransaction& transaction);
  void SettleOne(PgTransaction& transaction, std::int64_t staged, std::int64_t release,
                 bool members_known);
  void End(PgTransaction& transaction);

  PgPool& pool_;
  const PgLeader& leader_;
  const RescanFillOptions options_;
  PgPlanStore planner_;
  RescanPhase phase_ = RescanPhase::kCheck;
  std::string position_;
  std::int64_t published_batch_ = 0;
  bool merge_ = false;
};

}  // namespace hnx::coordinator
