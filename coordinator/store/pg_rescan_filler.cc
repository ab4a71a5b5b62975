#include "coordinator/store/pg_rescan_filler.h"

#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/crash_point.h"
#include "base/log.h"
#include "coordinator/store/pg_rescan_undo.h"
#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {
namespace {

// "<staged release> <hash>": a place among the members of releases.
struct MemberPosition {
  std::int64_t release = 0;
  std::string hash;

  static MemberPosition Parse(const std::string& text) {
    const auto space = text.find(' ');
    if (space == std::string::npos) {
      return {};
    }
    return {std::stoll(text.substr(0, space)), text.substr(space + 1)};
  }
  std::string Text() const { return fmt::format("{} {}", release, hash); }
};

std::string Ids(const pqxx::result& rows) {
  PgArray ids;
  for (const pqxx::row& row : rows) {
    ids.Add(row[0].as<std::int64_t>());
  }
  return ids.Literal();
}

struct StagedRelease {
  std::int64_t id = 0;
  std::int64_t release = 0;  // 0: has none yet, or needs none
  std::string channel;
  std::string name;
  int manifest_revision = 0;
  bool members_known = false;
};

std::optional<StagedRelease> NextStaged(PgTransaction& transaction, std::int64_t after) {
  const auto row = transaction.MaybeRow(sql::kNextRescanReleaseToFill, after);
  if (!row) {
    return std::nullopt;
  }
  return StagedRelease{
      (*row)["id"].as<std::int64_t>(),       (*row)["release_id"].as<std::int64_t>(),
      (*row)["channel"].as<std::string>(),   (*row)["name"].as<std::string>(),
      (*row)["manifest_revision"].as<int>(), (*row)["members_known"].as<bool>()};
}

}  // namespace

PgRescanFiller::PgRescanFiller(PgPool& pool, const PgLeader& leader, RescanFillOptions options)
    : pool_(pool),
      leader_(leader),
      options_(options),
      planner_(pool, leader, {.chunk_paths = options.chunk_paths}) {}

Result<bool> PgRescanFiller::Step() {
  if (phase_ == RescanPhase::kPlan && !position_.empty()) {
    HNX_ASSIGN_OR_RETURN(const bool more, planner_.RebuildStep(std::stoll(position_)));
    if (more) {
      CrashPoint("rescan.after_plan");
      return true;
    }
  }
  auto more = RunTransaction(
      pool_, "fill the database from the index", [&](PgTransaction& transaction) -> Result<bool> {
        HNX_TRY(leader_.Lock(transaction));
        const pqxx::row row = transaction.Row(sql::kGetRescan);
        phase_ = static_cast<RescanPhase>(row["phase"].as<int>());
        position_ = row["position"].as<std::string>();
        merge_ = row["merge"].as<bool>();
        published_batch_ =
            transaction.Row(sql::kRescanStanding)["published_batch"].as<std::int64_t>();
        return StepIn(transaction);
      });
  CrashPoint("rescan.after_step");
  return more;
}

void PgRescanFiller::Move(PgTransaction& transaction, RescanPhase phase,
                          const std::string& position) {
  transaction.Exec(sql::kMoveRescan, static_cast<int>(phase), position);
  phase_ = phase;
  position_ = position;
}

Result<bool> PgRescanFiller::StepIn(PgTransaction& transaction) {
  const auto next = [&](RescanPhase phase) {
    Move(transaction, phase);
    return true;
  };
  switch (phase_) {
    case RescanPhase::kIndex:
    case RescanPhase::kReleases:
      return FailedPrecondition("the index was not read to its end");
    case RescanPhase::kCheck:
      Check(transaction);
      return next(RescanPhase::kShards);
    case RescanPhase::kShards:
      Shards(transaction);
      return next(RescanPhase::kPaths);
    case RescanPhase::kPaths:
      return Paths(transaction) || next(RescanPhase::kFailed);
    case RescanPhase::kFailed:
      Failed(transaction);
      return next(RescanPhase::kReferences);
    case RescanPhase::kReferences:
      return References(transaction) || next(RescanPhase::kVanished);
    case RescanPhase::kVanished:
      if (merge_) {
        Vanished(transaction);
      }
      return next(RescanPhase::kMembers);
    case RescanPhase::kMembers: {
      HNX_ASSIGN_OR_RETURN(const bool more, Members(transaction));
      return more || next(RescanPhase::kPlan);
    }
    case RescanPhase::kPlan: {
      transaction.Exec(sql::kTellOpenRescanReleases);
      const auto row =
          transaction.MaybeRow(sql::kNextRescanReleaseToPlan, static_cast<int>(PlanPhase::kDecide));
      if (row) {
        Move(transaction, RescanPhase::kPlan, (*row)[0].as<std::string>());
        return true;
      }
      return next(RescanPhase::kSettle);
    }
    case RescanPhase::kSettle:
      return Settle(transaction) || next(RescanPhase::kEnd);
    case RescanPhase::kEnd:
      End(transaction);
      Move(transaction, RescanPhase::kDone);
      return false;
    case RescanPhase::kDone:
      break;
  }
  return false;
}

void PgRescanFiller::Check(PgTransaction& transaction) {
  transaction.Exec(sql::kCheckRescanLinks);
  transaction.Exec(sql::kCheckRescanFiles);
  transaction.Exec(sql::kCheckRescanNarInfos);
  transaction.work().exec("ANALYZE rescan_narinfo, rescan_link, rescan_reference, rescan_member");
}

void PgRescanFiller::Shards(PgTransaction& transaction) {
  const std::string unclaimed(kUnclaimedWorker);
  transaction.Exec(sql::kFillRescanUpstreams);
  transaction.Exec(sql::kFillRescanShards, unclaimed);
  transaction.Exec(sql::kFillUnclaimedShards, unclaimed);
  transaction.Exec(sql::kDropUnclaimedWorker, unclaimed);
  if (merge_) {
    transaction.Exec(sql::kTellLeavingReleases);
    UndoUnappliedBatches(transaction, published_batch_);
  }
}

bool PgRescanFiller::Paths(PgTransaction& transaction) {
  const pqxx::row end = transaction.Row(sql::kRescanNarInfoChunk, position_, options_.chunk_paths);
  if (end[0].is_null()) {
    return false;
  }
  const auto last = end[0].as<std::string>();
  transaction.Exec(sql::kNumberRescanNarInfos, position_, last);
  transaction.Exec(sql::kFillRescanNarInfos, position_, last);
  transaction.Exec(sql::kFillRescanNars, position_, last, published_batch_);
  if (merge_) {
    transaction.Exec(sql::kTellMovedNars, position_, last, published_batch_);
  }
  transaction.Exec(sql::kTakeRescanNars, position_, last, published_batch_);
  transaction.Exec(sql::kFillRescanPaths, position_, last, published_batch_);
  const pqxx::result taken =
      transaction.Exec(sql::kTakeRescanPaths, position_, last, published_batch_);
  if (!taken.empty()) {
    transaction.Exec(sql::kRewatch, Ids(taken));
  }
  Move(transaction, RescanPhase::kPaths, last);
  return true;
}

void PgRescanFiller::Failed(PgTransaction& transaction) {
  for (const auto statement :
       {sql::kFillRescanFailedPaths, sql::kTakeRescanFailedPaths, sql::kFillRescanAcceptances,
        sql::kFillRescanBlockedPaths, sql::kTakeRescanBlockedPaths}) {
    transaction.Exec(statement);
  }
}

bool PgRescanFiller::References(PgTransaction& transaction) {
  const pqxx::row end = transaction.Row(sql::kRescanNarInfoChunk, position_, options_.chunk_paths);
  if (end[0].is_null()) {
    return false;
  }
  const auto last = end[0].as<std::string>();
  transaction.Exec(sql::kFillRescanReferencedPaths, position_, last);
  if (merge_) {
    transaction.Exec(sql::kForgetRescanReferences, position_, last);
  }
  transaction.Exec(sql::kFillRescanReferences, position_, last);
  Move(transaction, RescanPhase::kReferences, last);
  return true;
}

// What left the mirror since this database was copied does not come back.
void PgRescanFiller::Vanished(PgTransaction& transaction) {
  transaction.Exec(sql::kTellVanishedPaths, published_batch_);
  transaction.Exec(sql::kForgetVanishedLinks, published_batch_);
  const pqxx::result vanished = transaction.Exec(sql::kUnpublishVanishedPaths, published_batch_);
  if (!vanished.empty()) {
    const std::string ids = Ids(vanished);
    transaction.Exec(sql::kUnwatchReferrers, ids);
    transaction.Exec(sql::kCandidatesOfVanished, ids);
  }
  transaction.Exec(sql::kTellVanishedReleases, published_batch_);
  transaction.Exec(sql::kRetireVanishedReleases, published_batch_);
}

// The row of the release; 0: this database knows all of it.
Result<std::int64_t> PgRescanFiller::ReleaseRow(PgTransaction& transaction, std::int64_t staged,
                                                const std::string& channel, const std::string& name,
                                                int manifest_revision) {
  std::int64_t release = 0;
  if (const auto known = transaction.MaybeRow(sql::kFindRescanRelease, channel, name)) {
    release = (*known)["id"].as<std::int64_t>();
    if ((*known)["state"].as<std::string>() == "settled" &&
        (*known)["manifest_revision"].as<int>() >= manifest_revision) {
      return 0;
    }
    transaction.Exec(sql::kResumeRescanRelease, release);
  } else {
    release = transaction.Row(sql::kInsertRescanRelease, staged, options_.max_missing)[0]
                  .as<std::int64_t>();
  }
  transaction.Exec(sql::kSetRescanReleaseRow, staged, release);
  transaction.Exec(sql::kFillRescanReleaseFiles, staged, release, published_batch_);
  transaction.Exec(sql::kFillRescanMemberPaths, staged);
  return release;
}

Result<bool> PgRescanFiller::Members(PgTransaction& transaction) {
  MemberPosition at = MemberPosition::Parse(position_);
  if (at.release == 0 || at.hash.empty()) {
    const auto staged = NextStaged(transaction, at.release);
    if (!staged) {
      return false;
    }
    HNX_ASSIGN_OR_RETURN(const std::int64_t release,
                         ReleaseRow(transaction, staged->id, staged->channel, staged->name,
                                    staged->manifest_revision));
    // A hash is never "0"; every hash is above it or begins with it.
    Move(transaction, RescanPhase::kMembers,
         MemberPosition{staged->id, release == 0 ? "" : "0"}.Text());
    return true;
  }
  const auto release =
      transaction.Row("SELECT release_id FROM rescan_release WHERE id = $1", at.release)[0]
          .as<std::int64_t>();
  const pqxx::row end =
      transaction.Row(sql::kRescanMemberChunk, at.release, at.hash, options_.chunk_paths);
  if (!end[0].is_null()) {
    const auto last = end[0].as<std::string>();
    transaction.Exec(sql::kFillRescanMembers, release, at.release, at.hash, last);
    Move(transaction, RescanPhase::kMembers, MemberPosition{at.release, last}.Text());
  } else {
    Move(transaction, RescanPhase::kMembers, MemberPosition{at.release, ""}.Text());
  }
  return true;
}

bool PgRescanFiller::Settle(PgTransaction& transaction) {
  const auto staged = NextStaged(transaction, position_.empty() ? 0 : std::stoll(position_));
  if (!staged) {
    return false;
  }
  if (staged->release != 0) {
    SettleOne(transaction, staged->id, staged->release, staged->members_known);
  }
  Move(transaction, RescanPhase::kSettle, std::to_string(staged->id));
  return true;
}

void PgRescanFiller::SettleOne(PgTransaction& transaction, std::int64_t staged,
                               std::int64_t release, bool members_known) {
  const pqxx::row facts = transaction.Row(sql::kRescanReleaseIsComplete, release);
  const bool complete = members_known && facts["complete"].as<bool>();
  const bool has_files = facts["has_files"].as<bool>();
  const pqxx::row row = transaction.Row(
      "SELECT channel, source_url <> '' AS has_source, is_latest FROM rescan_release WHERE id = $1",
      staged);
  transaction.Exec(sql::kClearRescanFrontier, release);
  transaction.Exec(sql::kFillRescanFrontier, release, !complete);
  if (complete && has_files) {
    transaction.Exec(sql::kSettleRescanRelease, staged, release, static_cast<int>(PlanPhase::kDone),
                     published_batch_);
    transaction.Exec(sql::kFillRescannedFiles, staged, published_batch_);
  } else {
    const bool again =
        row["has_source"].as<bool>() && (!has_files || !facts["has_roots"].as<bool>());
    transaction.Exec(sql::kReopenRescanRelease, staged, release,
                     std::string(again ? "resolving" : "walking"));
    Log("rescan")->warn("release {} of {} is not complete in the index: it is {} again", release,
                        row["channel"].as<std::string>(), again ? "resolved" : "walked");
  }
  if (row["is_latest"].as<bool>()) {
    transaction.Exec(sql::kLeaveRescanLatest, release, row["channel"].as<std::string>());
    transaction.Exec(sql::kSetRescanLatest, release);
  }
}

void PgRescanFiller::End(PgTransaction& transaction) {
  transaction.Exec(sql::kDropTakenExtraCopies);
  transaction.Exec(sql::kFillRescannedLinks);
  // When not every release is known, nobody can tell what none of them needs.
  const bool all_known =
      transaction
          .Row(
              "SELECT NOT EXISTS (SELECT FROM rescan_release WHERE NOT members_known)"
              " AND NOT EXISTS (SELECT FROM rescan_finding WHERE kind = 'release')")[0]
          .as<bool>();
  if (all_known) {
    transaction.Exec(sql::kRetireUnneededPaths);
  }
  if (merge_) {
    transaction.Exec(sql::kPlanReleasesAgain);
  }
}

}  // namespace hnx::coordinator
