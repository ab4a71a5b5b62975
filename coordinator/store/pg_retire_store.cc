#include "coordinator/store/pg_retire_store.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/crash_point.h"
#include "base/log.h"
#include "coordinator/domain/retention_policy.h"
#include "coordinator/store/pg_audit.h"
#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"
#include "mirror/index_layout.h"

namespace hnx::coordinator {
namespace {

// A cycle of references leaves as a whole, so it may exceed a batch; not without end.
constexpr std::size_t kReachPathsMax = 100'000;

std::int64_t MillisecondsOf(std::chrono::milliseconds time) {
  return static_cast<std::int64_t>(time.count());
}

std::vector<PathId> PathIdsOf(const pqxx::result& rows) {
  std::vector<PathId> ids;
  for (const pqxx::row& row : rows) {
    ids.push_back(row[0].as<PathId>());
  }
  return ids;
}

std::vector<std::string> Texts(const pqxx::result& rows) {
  std::vector<std::string> texts;
  for (const pqxx::row& row : rows) {
    texts.push_back(row[0].as<std::string>());
  }
  return texts;
}

std::uint64_t Count(const pqxx::field& field) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, field.as<std::int64_t>()));
}

// Whoever plans or stores one of these NARs at this moment has done so before us, or sees what we
// do.
void LockFiles(PgTransaction& transaction, const std::string& files) {
  transaction.Exec(sql::kLockNarsOfFiles, files);
  transaction.Exec(sql::kLockPathsOfFiles, files);
  transaction.Exec(sql::kReviveFiles, files);
}

}  // namespace

Result<bool> PgRetireStore::Step() {
  auto did = RunTransaction(pool_, "retire what is beyond retention",
                            [&](PgTransaction& transaction) -> Result<Did> {
                              HNX_TRY(leader_.Lock(transaction));
                              return StepIn(transaction);
                            });
  if (!did.has_value()) {
    return did.error();
  }
  if (*did == Did::kSomething) {
    CrashPoint("coordinator.after_retire_step");
  }
  return *did == Did::kSomething;
}

Result<PgRetireStore::Did> PgRetireStore::StepIn(PgTransaction& transaction) {
  transaction.Exec(sql::kBeginRetirement, MillisecondsOf(options_.run_interval));
  const bool running = transaction.Row(sql::kRetirementRuns)["running"].as<bool>();
  bool waits = false;
  const auto ends = [&waits](Did did) {
    waits = waits || did == Did::kWaits;
    return did == Did::kSomething;
  };
  if (running && ends(RetireRelease(transaction))) {
    return Did::kSomething;
  }
  if (ends(LetGo(transaction))) {
    return Did::kSomething;
  }
  HNX_ASSIGN_OR_RETURN(const Did unlisted, UnlistPaths(transaction));
  if (ends(unlisted) || (running && ends(UnlinkNars(transaction))) ||
      (running && ends(UnlinkUnnamed(transaction))) || ends(ForgetNars(transaction))) {
    return Did::kSomething;
  }
  if (running && !waits) {
    transaction.Exec(sql::kFinishRetirement);
    // Asked for once more meanwhile: begins with the next step.
    return transaction.Row(sql::kRetirementRuns)["requested"].as<bool>() ? Did::kSomething
                                                                         : Did::kNothing;
  }
  return waits ? Did::kWaits : Did::kNothing;
}

std::int64_t PgRetireStore::NextBatch(PgTransaction& transaction) {
  const pqxx::row position = transaction.Row(sql::kPublishPosition);
  const auto planned = position["planned_batch"].as<std::int64_t>();
  const auto published = position["published_batch"].as<std::int64_t>();
  const bool room =
      !position["index_key"].is_null() && planned - published < options_.batches_ahead_max;
  return room ? planned + 1 : 0;
}

// --- Releases

std::vector<PgRetireStore::Group> PgRetireStore::BeyondRetention(PgTransaction& transaction) {
  std::vector<Group> beyond;
  const auto now_ms = transaction.Row(sql::kRetirementClock)[0].as<std::int64_t>();
  for (const pqxx::row& channel : transaction.Exec(sql::kChannelsWithRetention)) {
    const auto name = channel["name"].as<std::string>();
    std::vector<RetainedRelease> releases;
    for (const pqxx::row& row : transaction.Exec(sql::kRetainedReleases, name)) {
      releases.push_back({.name = row["name"].as<std::string>(),
                          .id = row["id"].as<std::int64_t>(),
                          .settled_at_ms = row["settled_at_ms"].as<std::int64_t>(),
                          .pinned = row["pinned"].as<bool>(),
                          .latest = row["latest"].as<bool>(),
                          .at_work = row["at_work"].as<bool>()});
    }
    const RetentionRules rules{.keep_releases = channel["keep_releases"].as<std::uint32_t>(),
                               .keep_days = channel["keep_days"].as<std::uint32_t>()};
    for (const std::string& release : ReleasesToRetire(rules, releases, now_ms)) {
      beyond.push_back({.channel = name, .name = release});
    }
  }
  return beyond;
}

PgRetireStore::Did PgRetireStore::RetireRelease(PgTransaction& transaction) {
  const std::vector<Group> beyond = BeyondRetention(transaction);
  if (beyond.empty()) {
    return Did::kNothing;
  }
  const auto& [channel, name] = beyond.front();
  std::vector<ReleaseId> releases;
  bool described = false;
  for (const pqxx::row& row : transaction.Exec(sql::kLockRetainedRelease, channel, name)) {
    if (row["kept"].as<bool>()) {
      return Did::kSomething;  // pinned or at work since: looked at anew
    }
    releases.push_back(row["id"].as<ReleaseId>());
    described = described || row["described"].as<bool>();
  }
  const std::string ids = Int64Array(releases);
  std::vector<std::string> files;
  if (described) {
    files = Texts(transaction.Exec(sql::kPublishedReleaseFiles, ids));
    files.emplace_back(mirror::kListingFile);
    files.emplace_back(mirror::kManifestFile);
    for (std::string& file : files) {
      file = mirror::ReleaseFilePath(channel, name, file);
    }
    const std::int64_t batch = NextBatch(transaction);
    if (batch == 0) {
      return Did::kWaits;
    }
    BatchBuilder(transaction, description_, batch, {}, {}).Remove(files);
  }
  transaction.Exec(sql::kBeginRetiring, ids, "beyond the retention of its channel");
  Log("retire")->info("{}/{} is beyond its channel's retention: it leaves the mirror", channel,
                      name);
  return Did::kSomething;
}

PgRetireStore::Did PgRetireStore::LetGo(PgTransaction& transaction) {
  const auto row = transaction.MaybeRow(sql::kNextRetiring);
  if (!row) {
    return Did::kNothing;
  }
  const auto release = (*row)[0].as<ReleaseId>();
  // NARs first: the counts of the release stay what they were.
  for (const auto statement : {sql::kLetGoOfNars, sql::kLetGoOfPaths}) {
    if (transaction.Exec(statement, release, options_.chunk_paths).affected_rows() > 0) {
      return Did::kSomething;
    }
  }
  transaction.Exec(sql::kDropReleaseFrontier, release);
  transaction.Exec(sql::kMarkRetired, release);
  transaction.Exec(sql::kBudgetChanged);
  return Did::kSomething;
}

// --- Narinfos

Result<PgRetireStore::Did> PgRetireStore::UnlistPaths(PgTransaction& transaction) {
  if (!transaction.Row(sql::kAnyCandidate)[0].as<bool>()) {
    return Did::kNothing;
  }
  const auto kept = transaction.Exec(sql::kKeepRevivedCandidates).affected_rows();
  const std::vector<PathId> unpublished =
      PathIdsOf(transaction.Exec(sql::kUnpublishedCandidates, options_.chunk_paths));
  if (!unpublished.empty()) {
    const std::string ids = Int64Array(unpublished);
    transaction.Exec(sql::kCalmPaths, ids);
    transaction.Exec(sql::kUnlistNars, ids);
    transaction.Exec(sql::kForgetCandidates, ids);
    return Did::kSomething;
  }
  const std::int64_t batch = NextBatch(transaction);
  if (batch == 0) {
    return Did::kWaits;
  }
  std::vector<PathId> taken;
  HNX_ASSIGN_OR_RETURN(const std::vector<std::string> narinfos, TakePaths(transaction, taken));
  if (taken.empty()) {
    return kept > 0 ? Did::kSomething : Did::kNothing;
  }
  BatchBuilder(transaction, description_, batch, {}, {}).Remove(narinfos);
  const std::string ids = Int64Array(taken);
  transaction.Exec(sql::kUnwatchReferrers, ids);
  transaction.Exec(sql::kUnlistNars, ids);
  transaction.Exec(sql::kForgetCandidates, ids);
  transaction.Exec(sql::kTellUnlisted, ids, batch);
  return Did::kSomething;
}

// Referrers first; what only they referred to, level by level; a cycle when nothing else is left.
Result<std::vector<std::string>> PgRetireStore::TakePaths(PgTransaction& transaction,
                                                          std::vector<PathId>& taken) {
  std::vector<std::string> narinfos;
  const auto unlist = [&](const std::vector<PathId>& paths) {
    std::vector<std::string> level;
    for (const pqxx::row& row : transaction.Exec(sql::kUnlistPaths, Int64Array(paths))) {
      taken.push_back(row["id"].as<PathId>());
      level.push_back(mirror::NarInfoPath(row["hash"].as<std::string>()));
    }
    std::sort(level.begin(), level.end());
    narinfos.insert(narinfos.end(), level.begin(), level.end());
    return level.size();
  };
  const auto room = [&] {
    return options_.batch_paths_max - static_cast<std::int64_t>(taken.size());
  };
  while (room() > 0) {
    const std::vector<PathId> free = PathIdsOf(transaction.Exec(sql::kFreeCandidates, room()));
    if (free.empty() || unlist(free) == 0) {
      break;
    }
  }
  if (!taken.empty()) {
    return narinfos;
  }
  PathId after = 0;
  for (;;) {
    const std::vector<PathId> cyclic = PathIdsOf(transaction.Exec(sql::kCyclicRetirees, after));
    if (cyclic.empty()) {
      return narinfos;
    }
    for (const PathId path : cyclic) {
      after = path;
      const pqxx::result reach = transaction.Exec(sql::kReferrersReach, path);
      if (reach.size() > kReachPathsMax || !reach.front()["free"].as<bool>()) {
        continue;
      }
      const std::vector<PathId> cycle = PathIdsOf(reach);
      transaction.Exec(sql::kLockPaths, Int64Array(cycle));
      if (unlist(cycle) != cycle.size()) {
        return Unavailable("a release came to need a part of a cycle of references; again");
      }
      return narinfos;
    }
  }
}

// --- Links and NARs

PgRetireStore::Did PgRetireStore::UnlinkNars(PgTransaction& transaction) {
  const std::vector<std::string> due = Texts(transaction.Exec(
      sql::kDueFiles, MillisecondsOf(options_.retire_after), options_.batch_paths_max));
  if (due.empty()) {
    return Did::kNothing;
  }
  const std::int64_t batch = NextBatch(transaction);
  if (batch == 0) {
    return Did::kWaits;
  }
  LockFiles(transaction, TextArray(due));
  std::vector<std::string> leaving;
  std::vector<std::string> linked;
  std::vector<std::string> links;
  for (const pqxx::row& row : transaction.Exec(sql::kRetiringFiles, TextArray(due))) {
    leaving.push_back(row["file"].as<std::string>());
    if (row["linked"].as<bool>()) {
      linked.push_back(leaving.back());
      links.push_back(mirror::NarPath(leaving.back()));
    }
  }
  transaction.Exec(sql::kMarkUnlinked, TextArray(leaving), TextArray(linked), batch);
  if (!links.empty()) {
    BatchBuilder(transaction, description_, batch, {}, {}).Remove(links);
  }
  return Did::kSomething;
}

// Links that a rescan found in the index, and no narinfo that names them.
PgRetireStore::Did PgRetireStore::UnlinkUnnamed(PgTransaction& transaction) {
  const std::vector<std::string> due = Texts(transaction.Exec(
      sql::kDueRescannedLinks, MillisecondsOf(options_.retire_after), options_.batch_paths_max));
  if (due.empty()) {
    return Did::kNothing;
  }
  const std::int64_t batch = NextBatch(transaction);
  if (batch == 0) {
    return Did::kWaits;
  }
  std::vector<std::string> links;
  for (const std::string& file :
       Texts(transaction.Exec(sql::kDropRescannedLinks, TextArray(due)))) {
    links.push_back(mirror::NarPath(file));
  }
  if (!links.empty()) {
    BatchBuilder(transaction, description_, batch, {}, {}).Remove(links);
  }
  return Did::kSomething;
}

PgRetireStore::Did PgRetireStore::ForgetNars(PgTransaction& transaction) {
  const std::vector<std::string> unlinked =
      Texts(transaction.Exec(sql::kUnlinkedFiles, options_.batch_paths_max));
  if (unlinked.empty()) {
    return Did::kNothing;
  }
  LockFiles(transaction, TextArray(unlinked));
  std::vector<std::string> leaving;
  for (const pqxx::row& row : transaction.Exec(sql::kRetiringFiles, TextArray(unlinked))) {
    leaving.push_back(row["file"].as<std::string>());
  }
  const std::string files = TextArray(leaving);
  transaction.Exec(sql::kInsertRetiredCopies, files);
  transaction.Exec(sql::kKeepSealedCopies, files);
  const std::string paths =
      Int64Array(PathIdsOf(transaction.Exec(sql::kForgetPathsOfFiles, files)));
  transaction.Exec(sql::kForgetLeftOutNarsOfFiles, files);
  transaction.Exec(sql::kForgetReferencesOfPaths, paths);
  transaction.Exec(sql::kTellForgottenPaths, paths);
  transaction.Exec(sql::kForgetNarsOfFiles, files);
  return Did::kSomething;
}

// --- Looking

Result<void> PgRetireStore::RequestRun(const Caller& caller) {
  return RunTransaction(
      pool_, "ask for retirement", [&](PgTransaction& transaction) -> Result<void> {
        transaction.Exec(sql::kRequestRetirement);
        RecordAudit(transaction, caller, "gc", "what is beyond retention", "it leaves now");
        return {};
      });
}

Result<GarbageView> PgRetireStore::Look(bool foresee) {
  return RunTransaction(
      pool_, "look at what is retiring", [&](PgTransaction& transaction) -> Result<GarbageView> {
        GarbageView view;
        const pqxx::row leaving = transaction.Row(sql::kLeaving, options_.worker_alive_ms);
        view.leaving_releases = Count(leaving["releases"]);
        view.leaving_paths = Count(leaving["paths"]);
        view.leaving_links = Count(leaving["links"]) + (leaving["removals"].as<bool>() ? 1 : 0);
        view.leaving_copies = Count(leaving["copies"]);
        view.leaving_bytes = Count(leaving["bytes"]);
        view.waiting_copies = Count(leaving["away_copies"]);
        view.waiting_bytes = Count(leaving["away_bytes"]);
        view.reclaimed_nars = Count(leaving["reclaimed_nars"]);
        view.reclaimed_bytes = Count(leaving["reclaimed_bytes"]);
        view.running = leaving["running"].as<bool>();
        const pqxx::row retiring =
            transaction.Row(sql::kRetiring, MillisecondsOf(options_.retire_after));
        view.retiring_nars = Count(retiring["nars"]);
        view.retiring_bytes = Count(retiring["bytes"]);
        view.due_nars = Count(retiring["due_nars"]);
        view.due_bytes = Count(retiring["due_bytes"]);
        view.next_due_ms = retiring["next_due_ms"].as<std::int64_t>();
        if (!foresee) {
          return view;
        }
        std::vector<ReleaseId> ids;
        for (const Group& group : BeyondRetention(transaction)) {
          for (const pqxx::row& row :
               transaction.Exec(sql::kReleasesOfName, group.channel, group.name)) {
            ids.push_back(row[0].as<ReleaseId>());
          }
          view.releases.push_back(
              {.id = ids.empty() ? 0 : ids.back(), .channel = group.channel, .name = group.name});
        }
        if (!ids.empty()) {
          const pqxx::row would = transaction.Row(sql::kWouldRetire, Int64Array(ids));
          view.paths = Count(would["paths"]);
          view.nars = Count(would["nars"]);
          view.bytes = Count(would["bytes"]);
        }
        return view;
      });
}

}  // namespace hnx::coordinator
