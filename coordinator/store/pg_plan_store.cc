#include "coordinator/store/pg_plan_store.h"

#include <algorithm>
#include <set>
#include <string>

#include <fmt/format.h>

#include "base/log.h"
#include "coordinator/domain/plan_estimate.h"
#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {
namespace {

// Levels in one transaction: a chain of references needs one a path.
constexpr int kLevelsPerStep = 200;

void Collect(std::set<std::int64_t>& causes, const pqxx::result& rows, const char* column) {
  for (const pqxx::row& row : rows) {
    causes.insert(row[column].as<std::int64_t>());
  }
}

}  // namespace

Result<bool> PgPlanStore::PlanStep() {
  const Position before = position_;
  auto outcome =
      RunTransaction(pool_, "plan a release", [&](PgTransaction& transaction) -> Result<bool> {
        position_ = before;
        HNX_TRY(leader_.Lock(transaction));
        LookRowsUp(transaction);
        return StepIn(transaction);
      });
  if (!outcome.has_value()) {
    position_ = {};  // begin the phase again
  }
  return outcome;
}

Result<bool> PgPlanStore::StepIn(PgTransaction& transaction) {
  const auto row =
      transaction.MaybeRow(sql::kNextReleaseToPlan, static_cast<int>(PlanPhase::kDone));
  if (!row) {
    position_ = {};
    return false;
  }
  const auto release = (*row)["id"].as<ReleaseId>();
  const auto phase = static_cast<PlanPhase>((*row)["plan_phase"].as<int>());
  HNX_ASSIGN_OR_RETURN(const bool before_decision, StepBeforeDecision(transaction, release, phase));
  if (before_decision) {
    return true;
  }
  switch (phase) {
    case PlanPhase::kDecide:
      return Decide(transaction);
    case PlanPhase::kArm:
      if (Chunk(transaction, sql::kArmRelease)) {
        Advance(transaction, PlanPhase::kDone);
        transaction.Exec(sql::kBudgetChanged);
      }
      return true;
    default:
      break;
  }
  // Walked, planned to the end, and lifted from `planned`: decide again.
  Advance(transaction, PlanPhase::kDecide);
  return true;
}

Result<bool> PgPlanStore::StepBeforeDecision(PgTransaction& transaction, ReleaseId release,
                                             PlanPhase phase) {
  if (position_.release != release || position_.phase != phase) {
    position_ = {.release = release, .phase = phase};
    if (phase == PlanPhase::kLevel) {
      transaction.Exec(sql::kClearPlanWork);
    }
  }
  const auto end = [&](bool done, PlanPhase next) {
    if (done) {
      Advance(transaction, next);
    }
    return true;
  };
  switch (phase) {
    case PlanPhase::kLevel: {
      HNX_ASSIGN_OR_RETURN(const bool leveled, Level(transaction));
      return end(leveled, PlanPhase::kWatch);
    }
    case PlanPhase::kWatch:
      return end(Chunk(transaction, sql::kWatchPaths), PlanPhase::kBlock);
    case PlanPhase::kBlock:
      return end(Block(transaction), PlanPhase::kNars);
    case PlanPhase::kNars:
      return end(Nars(transaction), PlanPhase::kDecide);
    case PlanPhase::kDecide:
    case PlanPhase::kArm:
    case PlanPhase::kDone:
      break;
  }
  return false;
}

Result<bool> PgPlanStore::RebuildStep(ReleaseId release) {
  const Position before = position_;
  auto outcome = RunTransaction(
      pool_, "plan a release that was found", [&](PgTransaction& transaction) -> Result<bool> {
        position_ = before;
        HNX_TRY(leader_.Lock(transaction));
        const pqxx::row row =
            transaction.Row("SELECT plan_phase FROM release WHERE id = $1", release);
        return StepBeforeDecision(transaction, release,
                                  static_cast<PlanPhase>(row["plan_phase"].as<int>()));
      });
  if (!outcome.has_value()) {
    position_ = {};  // begin the phase again
  }
  return outcome;
}

void PgPlanStore::Advance(PgTransaction& transaction, PlanPhase phase) {
  transaction.Exec(sql::kSetPlanPhase, position_.release, static_cast<int>(phase));
  position_ = {.release = position_.release, .phase = phase};
}

bool PgPlanStore::Chunk(PgTransaction& transaction, std::string_view statement) {
  const pqxx::row end =
      transaction.Row(statement, position_.release, position_.after, options_.chunk_paths);
  if (end[0].is_null()) {
    return true;
  }
  position_.after = end[0].as<PathId>();
  return false;
}

Result<bool> PgPlanStore::Level(PgTransaction& transaction) {
  if (!position_.filled) {
    position_.filled = Chunk(transaction, sql::kAddPlanWork);
    return false;
  }
  for (int level = 0; level < kLevelsPerStep; ++level) {
    const auto leveled =
        transaction.Row(sql::kLevelPaths, options_.chunk_paths)[0].as<std::int64_t>();
    if (leveled >= options_.chunk_paths / 2) {
      return false;  // enough for one transaction
    }
    if (leveled == 0) {
      if (transaction.Row("SELECT NOT EXISTS (SELECT FROM plan_work)")[0].as<bool>()) {
        return true;
      }
      while (transaction.Exec(sql::kPeelCycles).affected_rows() > 0) {
      }
      if (transaction.Exec(sql::kMarkCycles).affected_rows() == 0) {
        return NotClosed(transaction);
      }
    }
  }
  return false;
}

Error PgPlanStore::NotClosed(PgTransaction& transaction) const {
  const auto row = transaction.MaybeRow(sql::kUnplannedReference);
  return Internal(fmt::format(
      "plan release {}: {}", position_.release,
      row ? fmt::format("{} refers to {}, which is not in it: it is not closed under References",
                        (*row)["referrer"].as<std::string>(), (*row)["reference"].as<std::string>())
          : std::string("paths are left that wait for nothing")));
}

bool PgPlanStore::Block(PgTransaction& transaction) {
  // Nearly always nothing has failed.
  if (!transaction.Row(sql::kAnyFailed)[0].as<bool>()) {
    return true;
  }
  const pqxx::row end = transaction.Row(sql::kUnplannedChunkEnd, position_.release, position_.after,
                                        options_.chunk_paths);
  if (end[0].is_null()) {
    return true;
  }
  std::set<std::int64_t> causes;
  Collect(causes,
          transaction.Exec(sql::kCausesBelowRelease, position_.release, position_.after,
                           options_.chunk_paths),
          "id");
  for (const std::int64_t cause : causes) {
    transaction.Exec(sql::kSpreadCause, cause);
  }
  position_.after = end[0].as<PathId>();
  return false;
}

bool PgPlanStore::Nars(PgTransaction& transaction) {
  const pqxx::row chunk = transaction.Row(sql::kAddReleaseNars, position_.release, position_.after,
                                          options_.chunk_paths);
  const bool at_end = chunk[0].is_null();
  if (!at_end) {
    position_.after = chunk[0].as<PathId>();
  }
  const auto asked = chunk[1].as<std::string>();
  if (!at_end && asked == "{}") {
    return false;
  }
  const pqxx::result adopted =
      transaction.Exec(sql::kAdoptStoredNars, position_.release, asked, options_.chunk_paths);
  PgArray ids;
  for (const pqxx::row& row : adopted) {
    ids.Add(row[0].as<std::int64_t>());
  }
  if (!adopted.empty()) {
    transaction.Exec(sql::kStorePathsOfNars, ids.Literal());
  }
  return at_end && adopted.empty();
}

bool PgPlanStore::Decide(PgTransaction& transaction) {
  const pqxx::row options = transaction.Row(sql::kPlanOptions, position_.release);
  const pqxx::row row =
      transaction.Row(sql::kEstimateRelease, position_.release, options_.worker_alive_ms);
  PlanFacts facts{
      .paths = row["paths"].as<std::uint64_t>(),
      .missing = row["missing"].as<std::uint64_t>(),
      .nars_to_fetch = row["nars_to_fetch"].as<std::uint64_t>(),
      .bytes_to_fetch = row["bytes_to_fetch"].as<std::uint64_t>(),
      .nar_bytes = row["nar_bytes"].as<std::uint64_t>(),
      .workers = row["workers"].as<std::uint64_t>(),
      .disk_free_bytes = row["disk_free_bytes"].as<std::uint64_t>(),
      .reserved_bytes =
          transaction.Row(sql::kReservedBytes, position_.release)[0].as<std::uint64_t>(),
      .bytes_a_second = row["bytes_a_second"].as<double>()};
  if (const auto room = transaction.Row(sql::kBudgetRoom)[0]; !room.is_null()) {
    facts.bytes_to_fetch = std::min(facts.bytes_to_fetch, room.as<std::uint64_t>());
  }
  const PlanView plan = EstimatePlan(facts);
  const auto number = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
  transaction.Exec(sql::kRecordPlan, position_.release, number(plan.paths),
                   number(plan.nars_to_fetch), number(plan.bytes_to_fetch), number(plan.nar_bytes),
                   number(plan.disk_free_bytes), number(plan.disk_needed_bytes),
                   plan.seconds_expected, number(plan.missing_upstream), plan.fits,
                   row["bytes_stored"].as<std::int64_t>());
  const auto decide = [&](const char* state, const std::string& message, PlanPhase phase) {
    transaction.Exec(sql::kDecideRelease, position_.release, state, message,
                     static_cast<int>(phase));
    Log("planner")->info("release {}: {}{}{}", position_.release, state,
                         message.empty() ? "" : ": ", message);
    position_ = {};
    return true;
  };
  switch (DecidePlan(facts, plan, options["plan_only"].as<bool>(), options["force"].as<bool>())) {
    case PlanVerdict::kPlanned:
      return decide("planned", "", PlanPhase::kDecide);
    case PlanVerdict::kMirror:
      return decide("mirroring", "", PlanPhase::kArm);
    case PlanVerdict::kRefuse:
      return decide("refused", RefusalMessage(plan), PlanPhase::kDecide);
    case PlanVerdict::kWaitForRoom:
      break;
  }
  transaction.Exec(sql::kSayOfRelease, position_.release,
                   "waits for a worker with the role mirror to say how much room it has");
  return false;
}

Result<bool> PgPlanStore::BlockStep() {
  return RunTransaction(pool_, "carry a failure to what needs it",
                        [&](PgTransaction& transaction) -> Result<bool> {
                          HNX_TRY(leader_.Lock(transaction));
                          LookRowsUp(transaction);
                          const auto change = transaction.MaybeRow(sql::kNextBlockChange);
                          if (!change) {
                            return false;
                          }
                          const auto path = (*change)["path_id"].as<PathId>();
                          // First: what follows may put it into the queue again.
                          transaction.Exec(sql::kForgetBlockChange, path);
                          std::set<std::int64_t> causes;
                          if ((*change)["is_cause"].as<bool>()) {
                            causes.insert(path);
                          } else {
                            Collect(causes, transaction.Exec(sql::kLiftCause, path), "id");
                            transaction.Exec(sql::kBudgetChanged);
                            transaction.Exec(sql::kReopenUnread);
                          }
                          for (const std::int64_t cause : causes) {
                            transaction.Exec(sql::kSpreadCause, cause);
                          }
                          return true;
                        });
}

}  // namespace hnx::coordinator
