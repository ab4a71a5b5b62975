#include "coordinator/store/pg_control_store.h"

#include <algorithm>
#include <set>
#include <vector>

#include <fmt/format.h>

#include "base/log.h"
#include "coordinator/store/pg_audit.h"
#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {
namespace {

Result<pqxx::row> LockRelease(PgTransaction& transaction, std::int64_t release) {
  const auto row = transaction.MaybeRow(sql::kLockReleaseForControl, release);
  if (!row) {
    return NotFound(fmt::format("there is no release {}; see `coordinator status`", release));
  }
  return *row;
}

std::string ReleaseTitle(const pqxx::row& row) {
  const auto name = row["name"].as<std::string>();
  return fmt::format("release {} ({}{}{})", row["id"].as<std::int64_t>(),
                     row["channel"].as<std::string>(), name.empty() ? "" : " ", name);
}

Result<pqxx::row> LockWorker(PgTransaction& transaction, const std::string& name) {
  const pqxx::result rows = transaction.Exec(sql::kLockWorkersNamed, name, kWorkerSilenceMs);
  if (rows.empty()) {
    return NotFound(fmt::format("there is no worker {}; see `coordinator workers`", name));
  }
  if (rows.size() > 1) {
    std::string ids;
    for (const pqxx::row& row : rows) {
      ids += " " + row["id"].as<std::string>();
    }
    return FailedPrecondition(
        fmt::format("{} workers are called {}; say which by its id:{}", rows.size(), name, ids));
  }
  return rows.front();
}

Result<PauseOutcome> HoldHost(PgTransaction& transaction, const std::string& host,
                              const char* reason) {
  const auto row = transaction.MaybeRow(sql::kLockHost, host);
  if (!row || host.empty()) {
    std::string known;
    for (const pqxx::row& name : transaction.Exec(sql::kHostNames)) {
      known += " " + name[0].as<std::string>();
    }
    return NotFound(fmt::format("no release uses an upstream on \"{}\"; known hosts:{}", host,
                                known.empty() ? " none" : known));
  }
  transaction.Exec(sql::kPauseHostRow, host, reason);
  return PauseOutcome{.what = "upstream " + host,
                      .changed = (*row)["paused"].as<bool>() == (reason == nullptr)};
}

Result<std::int64_t> NewestUnless(PgTransaction& transaction, std::int64_t release) {
  if (release == 0) {
    release = transaction.Row(sql::kNewestRelease)[0].as<std::int64_t>();
  }
  if (release == 0) {
    return NotFound("nothing was submitted yet");
  }
  return release;
}

// Ids of the failed paths that are meant.
Result<std::vector<std::int64_t>> Select(PgTransaction& transaction, std::int64_t release,
                                         const FailureSelection& selection, bool spare_accepted) {
  std::vector<std::int64_t> ids;
  std::set<std::string> found;
  for (const pqxx::row& row : transaction.Exec(sql::kSelectFailures, release, selection.reason,
                                               TextArray(selection.hashes), spare_accepted)) {
    ids.push_back(row["id"].as<std::int64_t>());
    found.insert(row["hash"].as<std::string>());
  }
  for (const std::string& hash : selection.hashes) {
    if (!found.contains(hash)) {
      return FailedPrecondition(fmt::format(
          "{} is no failed path of release {}{}; see `coordinator failures --release "
          "{}` and `coordinator why {}`",
          hash, release, selection.reason.empty() ? "" : " with reason " + selection.reason,
          release, hash));
    }
  }
  return ids;
}

std::string WorkerTitle(const pqxx::row& row) {
  return fmt::format("worker {} ({})", row["name"].as<std::string>(), row["id"].as<std::string>());
}

std::string TellSelection(const FailureSelection& selection, std::uint64_t paths) {
  std::string text = fmt::format("{} paths", paths);
  text += selection.reason.empty() ? "" : " with reason " + selection.reason;
  return selection.hashes.empty()
             ? text
             : text + fmt::format(", named: {}", fmt::join(selection.hashes, " "));
}

Result<PauseOutcome> HoldIn(PgTransaction& transaction, const PauseTarget& target,
                            const char* reason) {
  const bool resumes = reason == nullptr;
  switch (target.kind) {
    case PauseTarget::Kind::kEverything: {
      const bool paused = transaction.Row(sql::kLockEverything)[0].as<bool>();
      transaction.Exec(sql::kPauseEverything, reason);
      return PauseOutcome{.what = "everything", .changed = paused == resumes};
    }
    case PauseTarget::Kind::kRelease: {
      HNX_ASSIGN_OR_RETURN(const pqxx::row row, LockRelease(transaction, target.release));
      if (!resumes) {
        HNX_TRY(CheckMayPause(target.release, row["state"].as<std::string>()));
      }
      transaction.Exec(sql::kPauseReleaseRow, target.release, reason);
      return PauseOutcome{.what = ReleaseTitle(row),
                          .changed = row["paused"].as<bool>() == resumes};
    }
    case PauseTarget::Kind::kUpstream:
      return HoldHost(transaction, HostOfUpstream(target.name), reason);
    case PauseTarget::Kind::kWorker: {
      HNX_ASSIGN_OR_RETURN(const pqxx::row row, LockWorker(transaction, target.name));
      transaction.Exec(sql::kPauseWorkerRow, row["id"].as<std::string>(), reason);
      return PauseOutcome{.what = "worker " + row["name"].as<std::string>(),
                          .changed = row["paused"].as<bool>() == resumes};
    }
  }
  return Error{ErrorCode::kInternal, "no such kind of pause"};
}

}  // namespace

Result<PauseOutcome> PgControlStore::Hold(const PauseTarget& target, const char* reason,
                                          const Caller& caller) {
  const bool resumes = reason == nullptr;
  auto outcome = RunTransaction(
      pool_, resumes ? "resume" : "pause", [&](PgTransaction& transaction) -> Result<PauseOutcome> {
        HNX_ASSIGN_OR_RETURN(PauseOutcome held, HoldIn(transaction, target, reason));
        RecordAudit(transaction, caller, resumes ? "resume" : "pause", held.what,
                    !held.changed ? "it was so before"
                    : resumes     ? "it goes on"
                                  : reason);
        return held;
      });
  if (outcome.has_value() && outcome->changed) {
    Log("control")->info("{} {}{}{}", resumes ? "resumes" : "pauses", outcome->what,
                         resumes ? "" : ": ", resumes ? "" : reason);
  }
  return outcome;
}

Result<PauseOutcome> PgControlStore::Pause(const PauseTarget& target, const std::string& reason,
                                           const Caller& caller) {
  return Hold(target, reason.c_str(), caller);
}

Result<PauseOutcome> PgControlStore::Resume(const PauseTarget& target, const Caller& caller) {
  return Hold(target, nullptr, caller);
}

Result<std::uint64_t> PgControlStore::Cancel(std::int64_t release, const std::string& reason,
                                             const Caller& caller) {
  auto outcome = RunTransaction(
      pool_, "cancel a release", [&](PgTransaction& transaction) -> Result<std::uint64_t> {
        HNX_ASSIGN_OR_RETURN(const pqxx::row row, LockRelease(transaction, release));
        const auto state = row["state"].as<std::string>();
        if (state == "cancelled") {
          RecordAudit(transaction, caller, "cancel", ReleaseTitle(row), "it was so before");
          return std::uint64_t{0};
        }
        HNX_TRY(CheckMayCancel(release, state, row["settling"].as<bool>()));
        transaction.Exec(sql::kCancelReleaseRow, release, reason);
        transaction.Exec(sql::kDropReleaseFrontier, release);
        PgArray jobs;
        const pqxx::result ended = transaction.Exec(sql::kFreeLane, release);
        for (const pqxx::row& job : ended) {
          jobs.Add(job[0].as<std::int64_t>());
        }
        transaction.Exec(sql::kDeleteJobs, jobs.Literal());
        RecordAudit(transaction, caller, "cancel", ReleaseTitle(row),
                    fmt::format("{} ({} leases were ended)", reason, ended.size()));
        return std::uint64_t{ended.size()};
      });
  if (outcome.has_value()) {
    Log("control")->info("release {} is cancelled, {} leases were ended: {}", release, *outcome,
                         reason);
  }
  return outcome;
}

Result<void> PgControlStore::SetPriority(std::int64_t release, int priority, const Caller& caller) {
  return RunTransaction(pool_, "set a priority", [&](PgTransaction& transaction) -> Result<void> {
    HNX_ASSIGN_OR_RETURN(const pqxx::row row, LockRelease(transaction, release));
    transaction.Exec(sql::kSetReleasePriority, release, priority);
    RecordAudit(transaction, caller, "priority", ReleaseTitle(row), std::to_string(priority));
    return {};
  });
}

Result<std::string> PgControlStore::Drain(const std::string& worker, bool undo,
                                          const Caller& caller) {
  return RunTransaction(
      pool_, "drain a worker", [&](PgTransaction& transaction) -> Result<std::string> {
        HNX_ASSIGN_OR_RETURN(const pqxx::row row, LockWorker(transaction, worker));
        auto id = row["id"].as<std::string>();
        transaction.Exec(sql::kDrainWorkerRow, id, !undo);
        RecordAudit(transaction, caller, undo ? "undrain" : "drain", WorkerTitle(row),
                    undo ? "it is given work again" : "it is given no more work");
        return id;
      });
}

Result<ForgottenWorker> PgControlStore::ForgetWorker(const std::string& worker,
                                                     const Caller& caller) {
  return RunTransaction(
      pool_, "forget worker " + worker, [&](PgTransaction& transaction) -> Result<ForgottenWorker> {
        HNX_ASSIGN_OR_RETURN(const pqxx::row row, LockWorker(transaction, worker));
        ForgottenWorker forgotten{.id = row["id"].as<std::string>(),
                                  .name = row["name"].as<std::string>()};
        if (row["alive"].as<bool>()) {
          return FailedPrecondition(fmt::format(
              "worker {} ({}) called within the last {} s: stop it first, or leave it alone",
              forgotten.name, forgotten.id, kWorkerSilenceMs / 1000));
        }
        const pqxx::row losses = transaction.Row(sql::kCountLosses, forgotten.id);
        forgotten.shards_lost = losses["shards"].as<std::uint64_t>();
        forgotten.nars = losses["nars"].as<std::uint64_t>();
        forgotten.bytes = losses["bytes"].as<std::uint64_t>();
        transaction.Exec(sql::kForgetWorker, forgotten.id);
        const std::string no_keys = PgArray().Literal();
        transaction.Exec(sql::kLoseShardsBut, forgotten.id, no_keys,
                         std::string("its worker was forgotten"));
        transaction.Exec(sql::kForgetCopiesOfWorker, forgotten.id);
        transaction.Exec(sql::kFreeNarsOfWorker, forgotten.id);
        transaction.Exec(sql::kDeleteJobsOfWorker, forgotten.id);
        RecordAudit(transaction, caller, "forget", WorkerTitle(row),
                    fmt::format("its disk is gone: {} shards with {} NARs of {} bytes are lost",
                                forgotten.shards_lost, forgotten.nars, forgotten.bytes));
        Log("control")->warn("worker {} ({}) is forgotten with {} shards: {} NARs are lost",
                             forgotten.name, forgotten.id, forgotten.shards_lost, forgotten.nars);
        return forgotten;
      });
}

Result<FailuresChanged> PgControlStore::Retry(const FailureSelection& selection,
                                              const Caller& caller) {
  return RunTransaction(
      pool_, "retry failures", [&](PgTransaction& transaction) -> Result<FailuresChanged> {
        FailuresChanged changed;
        HNX_ASSIGN_OR_RETURN(changed.release, NewestUnless(transaction, selection.release));
        HNX_ASSIGN_OR_RETURN(const pqxx::row row, LockRelease(transaction, changed.release));
        HNX_TRY(CheckMayRetry(changed.release, row["state"].as<std::string>(),
                              row["planning"].as<bool>()));
        HNX_ASSIGN_OR_RETURN(const std::vector<std::int64_t> paths,
                             Select(transaction, changed.release, selection, true));
        changed.paths = paths.size();
        RecordAudit(transaction, caller, "failures retry", ReleaseTitle(row),
                    TellSelection(selection, changed.paths));
        if (paths.empty()) {
          return changed;
        }
        transaction.Exec(sql::kWalkAgain, changed.release, Int64Array(paths));
        transaction.Exec(sql::kReopenRelease, changed.release);
        transaction.Exec(sql::kRecordPathEvents, Int64Array(paths),
                         "an operator has it tried again");
        return changed;
      });
}

Result<FailuresChanged> PgControlStore::Accept(const FailureSelection& selection,
                                               const std::string& note, const Caller& caller) {
  return RunTransaction(
      pool_, "accept failures", [&](PgTransaction& transaction) -> Result<FailuresChanged> {
        FailuresChanged changed;
        HNX_ASSIGN_OR_RETURN(changed.release, NewestUnless(transaction, selection.release));
        HNX_ASSIGN_OR_RETURN(const pqxx::row row, LockRelease(transaction, changed.release));
        HNX_ASSIGN_OR_RETURN(const std::vector<std::int64_t> paths,
                             Select(transaction, changed.release, selection, false));
        changed.paths = paths.size();
        const std::string ids = Int64Array(paths);
        if (note.empty()) {
          transaction.Exec(sql::kAcceptNoLonger, ids);
        } else {
          transaction.Exec(sql::kAcceptFailures, ids, note);
        }
        transaction.Exec(sql::kRecordPathEvents, ids,
                         note.empty() ? std::string("an operator accepts its failure no longer")
                                      : "an operator accepts its failure: " + note);
        transaction.Exec(sql::kCountAcceptance, ids);
        RecordAudit(transaction, caller, "failures ignore", ReleaseTitle(row),
                    TellSelection(selection, changed.paths) +
                        (note.empty() ? ": accepted no longer" : ": " + note));
        return changed;
      });
}

}  // namespace hnx::coordinator
