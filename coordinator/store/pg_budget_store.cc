#include "coordinator/store/pg_budget_store.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/crash_point.h"
#include "base/log.h"
#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {
namespace {

constexpr std::int64_t kAboveAllDepths = std::int64_t{1} << 32U;
constexpr std::int64_t kFadedHitsMax = 10'000;  // forgotten after one choice
// After the border only what takes up room already comes in.
constexpr std::int64_t kNoRoom = -1;

std::int64_t IntervalMs(std::chrono::milliseconds time) {
  return static_cast<std::int64_t>(time.count());
}

std::optional<std::int64_t> MaybeNumber(const pqxx::field& field) {
  return field.is_null() ? std::nullopt : std::optional(field.as<std::int64_t>());
}

std::string BudgetWords(const std::optional<std::int64_t>& bytes) {
  return bytes ? fmt::format("a budget of {} bytes", *bytes) : std::string("no budget");
}

}  // namespace

PgBudgetStore::Choice::Choice() = default;

PgBudgetStore::PgBudgetStore(PgPool& pool, const PgLeader& leader, BudgetOptions options)
    : pool_(pool), leader_(leader), options_(std::move(options)) {}

Result<bool> PgBudgetStore::Step() {
  if (choice_ && choice_->phase == Phase::kMeasure) {
    const auto measured = Measure();
    if (!measured.has_value()) {
      choice_.reset();
      return measured.error();
    }
    return true;
  }
  const std::optional<Choice> before = choice_;
  auto outcome = RunTransaction(pool_, "choose what the budget holds",
                                [&](PgTransaction& transaction) -> Result<bool> {
                                  choice_ = before;
                                  HNX_TRY(leader_.Lock(transaction));
                                  if (!declared_) {
                                    Declare(transaction);
                                  }
                                  return StepIn(transaction);
                                });
  if (!outcome.has_value()) {
    choice_.reset();  // begins anew
    declared_ = false;
    return outcome;
  }
  declared_ = true;
  if (*outcome) {
    CrashPoint("coordinator.after_budget_step");
  }
  return outcome;
}

// All replicas are given the same budget; whoever leads says what it is.
void PgBudgetStore::Declare(PgTransaction& transaction) {
  const pqxx::row row = transaction.Row(sql::kBudgetRow);
  const auto said = MaybeNumber(row["bytes"]);
  const auto holder = row["set_by"].as<std::string>();
  const std::optional<std::int64_t> ours =
      options_.bytes == 0 ? std::nullopt : std::optional(static_cast<std::int64_t>(options_.bytes));
  if (said == ours) {
    if (ours && holder != options_.replica) {
      transaction.Exec(sql::kNoteBudgetHolder, options_.replica);
    }
    return;
  }
  if (!holder.empty() && holder != options_.replica) {
    Log("budget")->warn(
        "this replica was given {}, {} was given {}: what is held is chosen anew; give all "
        "replicas the same --budget",
        BudgetWords(ours), holder, BudgetWords(said));
  }
  const std::string bytes = ours ? std::to_string(*ours) : "";
  transaction.Exec(sql::kSetBudget, ours ? bytes.c_str() : nullptr, options_.replica);
}

bool PgBudgetStore::StepIn(PgTransaction& transaction) {
  if (!choice_ && !Begin(transaction)) {
    return false;
  }
  StepOn(transaction);
  return true;
}

void PgBudgetStore::StepOn(PgTransaction& transaction) {
  switch (choice_->phase) {
    case Phase::kFill:
      ChunkOfPaths(
          MaybeNumber(transaction.Row(sql::kFillChoice, choice_->after, options_.chunk_paths,
                                      IntervalMs(kHitHalfLife), kStoredBonus, *choice_->budget)[0]),
          Phase::kDropUnfit);
      break;
    case Phase::kDropUnfit:
      if (transaction.Row(sql::kCarryUnfit, options_.chunk_paths)[0].as<std::int64_t>() == 0) {
        Go(Phase::kSpread);
      }
      break;
    case Phase::kSpread:
      Spread(transaction);
      break;
    case Phase::kKeep:
      Keep(transaction);
      break;
    case Phase::kTrim:
      Trim(transaction, Phase::kLeaveOut);
      break;
    case Phase::kLeaveOut:
      ChunkOfPaths(
          MaybeNumber(transaction.Row(sql::kLeaveOut, choice_->after, options_.chunk_paths)[0]),
          Phase::kMeasure);
      break;
    case Phase::kMeasure:
      break;  // in a transaction of its own
    case Phase::kAdmit:
      Admit(transaction);
      break;
    case Phase::kTrimAdmitted:
      Trim(transaction, Phase::kComeIn);
      break;
    case Phase::kComeIn:
      ComeIn(transaction);
      break;
    case Phase::kFinish:
      Finish(transaction);
      break;
  }
}

Result<BudgetForecast> PgBudgetStore::Foresee() const {
  return RunTransaction(pool_, "foresee what the budget leaves out",
                        [&](PgTransaction& transaction) -> Result<BudgetForecast> {
                          const auto bytes = MaybeNumber(transaction.Row(sql::kBudgetRow)["bytes"]);
                          if (!bytes) {
                            return BudgetForecast{};
                          }
                          transaction.Exec(sql::kShadowChoice);
                          PgBudgetStore shadow(pool_, leader_, options_);
                          shadow.choice_.emplace();
                          shadow.choice_->budget = bytes;
                          while (shadow.choice_->phase != Phase::kLeaveOut) {
                            shadow.StepOn(transaction);
                          }
                          const pqxx::row row = transaction.Row(sql::kWouldLeaveOut);
                          const auto count = [&](const char* column) {
                            return static_cast<std::uint64_t>(row[column].as<std::int64_t>());
                          };
                          return BudgetForecast{.paths = count("paths"),
                                                .nars = count("nars"),
                                                .bytes = count("bytes")};
                        });
}

bool PgBudgetStore::Begin(PgTransaction& transaction) {
  transaction.Exec(sql::kBeginChoice, IntervalMs(options_.hits_interval),
                   IntervalMs(options_.interval));
  const pqxx::row row = transaction.Row(sql::kChoice);
  if (!row["running"].as<bool>()) {
    return false;
  }
  // One that another process, or this one, did not finish may not have seen everything.
  transaction.Exec(sql::kRestartChoice);
  transaction.Exec(sql::kClearChoice);
  choice_.emplace();
  choice_->budget = MaybeNumber(row["bytes"]);
  if (!choice_->budget) {
    choice_->phase = Phase::kComeIn;
  }
  return true;
}

void PgBudgetStore::Go(Phase phase) {
  choice_->phase = phase;
  choice_->after = 0;
  choice_->irregular = 0;
  choice_->place = {};
  choice_->depth = phase == Phase::kSpread ? kAboveAllDepths : -1;
  choice_->room = *choice_->budget;
}

void PgBudgetStore::ChunkOfPaths(const std::optional<std::int64_t>& end, Phase next) {
  if (end) {
    choice_->after = *end;
  } else {
    Go(next);
  }
}

// Level by level, from what nothing refers to down. Once more when a value went up or sideways: in
// a cycle, or where a narinfo was replaced by one with other references.
void PgBudgetStore::Spread(PgTransaction& transaction) {
  std::int64_t looked_at = 0;
  while (looked_at < options_.chunk_paths) {
    if (choice_->depth < kAboveAllDepths) {
      const pqxx::row chunk = transaction.Row(sql::kSpreadValues, choice_->depth, choice_->after,
                                              options_.chunk_paths - looked_at);
      looked_at += chunk["paths"].as<std::int64_t>();
      choice_->irregular += chunk["irregular"].as<std::int64_t>();
      if (!chunk["chunk_end"].is_null()) {
        choice_->after = chunk["chunk_end"].as<std::int64_t>();
        continue;
      }
    }
    const auto below = MaybeNumber(transaction.Row(sql::kNextLevelOfChoice, choice_->depth)[0]);
    if (!below) {
      const bool again = choice_->irregular > 0;
      Go(again ? Phase::kSpread : Phase::kKeep);
      return;
    }
    choice_->depth = *below;
    choice_->after = 0;
    ++looked_at;
  }
}

void PgBudgetStore::Keep(PgTransaction& transaction) {
  const Place& place = choice_->place;
  const auto row = transaction.MaybeRow(sql::kKeepPrefix, place.neg_value, place.depth, place.path,
                                        options_.chunk_paths, choice_->room);
  if (!row) {
    Go(Phase::kTrim);
    return;
  }
  const auto bytes = (*row)["bytes"].as<std::int64_t>();
  choice_->room -= bytes;
  choice_->kept_bytes += bytes;
  choice_->kept_value = (*row)["value"].as<std::string>();
  choice_->place = {.neg_value = (*row)["place"].as<std::string>(),
                    .depth = (*row)["depth"].as<int>(),
                    .path = (*row)["path_id"].as<std::int64_t>()};
  if ((*row)["kept"].as<std::int64_t>() < (*row)["paths"].as<std::int64_t>()) {
    Go(Phase::kTrim);
  }
}

void PgBudgetStore::Trim(PgTransaction& transaction, Phase next) {
  const auto row =
      transaction.MaybeRow(sql::kTrimChoice, choice_->depth, choice_->after, options_.chunk_paths,
                           choice_->phase == Phase::kTrimAdmitted);
  if (row) {
    choice_->irregular += (*row)["trimmed"].as<std::int64_t>();
    choice_->depth = (*row)["depth"].as<std::int64_t>();
    choice_->after = (*row)["path_id"].as<std::int64_t>();
    return;
  }
  const bool again = choice_->irregular > 0;
  Go(again ? choice_->phase : next);
}

// Reads only: nobody but this choice promises room.
Result<void> PgBudgetStore::Measure() {
  HNX_ASSIGN_OR_RETURN(
      const std::int64_t used,
      RunTransaction(pool_, "measure what the budget is used for",
                     [&](PgTransaction& transaction) -> Result<std::int64_t> {
                       return transaction.Row(sql::kBudgetUse)[0].template as<std::int64_t>();
                     }));
  Go(Phase::kAdmit);
  choice_->room = std::max(kNoRoom, *choice_->budget - used);
  return {};
}

void PgBudgetStore::Admit(PgTransaction& transaction) {
  const Place& place = choice_->place;
  const auto row = transaction.MaybeRow(sql::kAdmitPrefix, place.neg_value, place.depth, place.path,
                                        options_.chunk_paths, choice_->room);
  if (!row) {
    Go(Phase::kTrimAdmitted);
    return;
  }
  choice_->room -= (*row)["bytes"].as<std::int64_t>();
  if ((*row)["full"].as<bool>()) {
    choice_->room = kNoRoom;
  }
  choice_->place = {.neg_value = (*row)["place"].as<std::string>(),
                    .depth = (*row)["depth"].as<int>(),
                    .path = (*row)["path_id"].as<std::int64_t>()};
}

void PgBudgetStore::ComeIn(PgTransaction& transaction) {
  std::vector<std::int64_t> paths;
  PgArray nars;
  std::vector<std::string> files;
  for (const pqxx::row& row :
       transaction.Exec(choice_->budget ? sql::kAdmittedChunk : sql::kLeftOutChunk, choice_->after,
                        options_.chunk_paths)) {
    paths.push_back(row["path_id"].as<std::int64_t>());
    if (!row["nar_id"].is_null()) {
      nars.Add(row["nar_id"].as<std::int64_t>());
      files.push_back(row["file"].as<std::string>());
    }
  }
  if (paths.empty()) {
    choice_->phase = Phase::kFinish;
    return;
  }
  choice_->after = paths.back();
  transaction.Exec(sql::kLockNars, nars.Literal());
  transaction.Exec(sql::kComeIn, Int64Array(paths));
  transaction.Exec(sql::kPlaceNars, nars.Literal());
  // What lies in a shard already is taken from there.
  transaction.Exec(sql::kAdoptLostNars, nars.Literal());
  transaction.Exec(sql::kShareStoredNars, TextArray(files));
  transaction.Exec(sql::kStorePathsOfStoredNars, nars.Literal());
}

void PgBudgetStore::Finish(PgTransaction& transaction) {
  transaction.Exec(sql::kFinishChoice, choice_->kept_bytes,
                   choice_->kept_value ? choice_->kept_value->c_str() : nullptr);
  transaction.Exec(sql::kForgetFadedHits, IntervalMs(kHitHalfLife), kHitsMin, kFadedHitsMax);
  if (choice_->budget) {
    Log("budget")->info("{} of {} bytes are chosen", choice_->kept_bytes, *choice_->budget);
  } else {
    Log("budget")->info("there is no budget any more: nothing is left out");
  }
  choice_.reset();
}

}  // namespace hnx::coordinator
