// PgBudgetStore: which paths a budget of bytes holds, and which it leaves out. A choice goes
// through phases of bounded steps: fill path_budget with what competes and its own value, drop what
// could never fit, carry values to references, keep the longest prefix that fits, leave out the
// rest, admit of what was left out as much as there is room for. What is left out leaves by
// retirement; what comes in is fetched and published like anything else. The rule is
// domain/budget_policy.h.
//
// Never more than the budget, counting every stored NAR file once, until its blocks are cleared,
// and what is fetched or promised, by the size that its narinfo says. A choice that was interrupted
// begins anew. Without a budget, and without one before, nothing is done. For the leader; one
// thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "coordinator/domain/budget_policy.h"
#include "coordinator/store/pg_leader.h"
#include "coordinator/store/pg_pool.h"

namespace hnx::coordinator {

class PgTransaction;

struct BudgetOptions {
  std::uint64_t bytes = 0;  // of NAR files; 0: no budget
  std::string replica;      // who says so, for people
  // Chosen anew so soon after paths were asked for, and so often in any case.
  std::chrono::milliseconds hits_interval{600'000};
  std::chrono::milliseconds interval{std::chrono::hours(24)};
  std::int64_t chunk_paths = 5'000;
};

// What would leave the index, and later the disks.
struct BudgetForecast {
  std::uint64_t paths = 0;
  std::uint64_t nars = 0;
  std::uint64_t bytes = 0;

  bool operator==(const BudgetForecast&) const = default;
};

class PgBudgetStore {
 public:
  // All must outlive this object.
  PgBudgetStore(PgPool& pool, const PgLeader& leader, BudgetOptions options = {});

  // One step; true: there is more to do at once.
  Result<bool> Step();
  // What would be left out if it were chosen now, and is not yet. In one transaction, which changes
  // nothing. Any replica and thread.
  Result<BudgetForecast> Foresee() const;

 private:
  enum class Phase {
    kFill,
    kDropUnfit,
    kSpread,
    kKeep,
    kTrim,
    kLeaveOut,
    kMeasure,
    kAdmit,
    kTrimAdmitted,
    kComeIn,
    kFinish,
  };
  // In the order of value. Numbers as PostgreSQL writes them: exact.
  struct Place {
    std::string neg_value = "-Infinity";
    int depth = -1;
    std::int64_t path = 0;
  };
  struct Choice {
    Choice();  // defined elsewhere: clang 14 cannot use the initializers below within this class
    Phase phase = Phase::kFill;
    std::optional<std::int64_t> budget;
    std::int64_t after = 0;  // path
    std::int64_t depth = 0;  // kSpread: the level; kTrim: of the place
    std::int64_t irregular = 0;
    Place place;
    std::int64_t room = 0;  // bytes
    std::int64_t kept_bytes = 0;
    std::optional<std::string> kept_value;
  };

  void Declare(PgTransaction& transaction);
  bool StepIn(PgTransaction& transaction);
  void StepOn(PgTransaction& transaction);
  bool Begin(PgTransaction& transaction);
  void Go(Phase phase);
  void ChunkOfPaths(const std::optional<std::int64_t>& end, Phase next);
  void Spread(PgTransaction& transaction);
  void Keep(PgTransaction& transaction);
  void Trim(PgTransaction& transaction, Phase next);
  Result<void> Measure();
  void Admit(PgTransaction& transaction);
  void ComeIn(PgTransaction& transaction);
  void Finish(PgTransaction& transaction);

  PgPool& pool_;
  const PgLeader& leader_;
  const BudgetOptions options_;
  std::optional<Choice> choice_;  // under way
  bool declared_ = false;         // said what the budget is
};

}  // namespace hnx::coordinator
