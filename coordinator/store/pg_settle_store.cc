#include "coordinator/store/pg_settle_store.h"

#include <fmt/format.h>

#include "base/crash_point.h"
#include "base/log.h"
#include "coordinator/store/pg_plan_store.h"
#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"
#include "mirror/index_layout.h"

namespace hnx::coordinator {

Result<bool> PgSettleStore::SettleOne() {
  HNX_ASSIGN_OR_RETURN(const auto candidate, FindCandidate());
  if (!candidate) {
    return false;
  }
  HNX_ASSIGN_OR_RETURN(const WrittenManifest written,
                       WriteManifest(pool_, artifacts_, candidate->release));
  HNX_ASSIGN_OR_RETURN(const bool published, Publish(*candidate, written));
  if (published) {
    CrashPoint("coordinator.after_settle");
  }
  return true;
}

Result<std::optional<PgSettleStore::Candidate>> PgSettleStore::FindCandidate() {
  return RunTransaction(
      pool_, "find a release to settle",
      [&](PgTransaction& transaction) -> Result<std::optional<Candidate>> {
        HNX_TRY(leader_.Lock(transaction));
        if (transaction.Row(sql::kIndexKey)[0].is_null()) {
          return std::optional<Candidate>();
        }
        for (const pqxx::row& row :
             transaction.Exec(sql::kReleasesToSettle, static_cast<int>(PlanPhase::kDone))) {
          const auto release = row["id"].as<ReleaseId>();
          if (transaction.Row(sql::kReleaseIsFinal, release)[0].as<bool>()) {
            return std::optional(
                Candidate{.release = release, .changes = row["changes"].as<std::int64_t>()});
          }
        }
        return std::optional<Candidate>();
      });
}

Result<bool> PgSettleStore::Publish(const Candidate& candidate, const WrittenManifest& written) {
  return RunTransaction(pool_, "settle a release", [&](PgTransaction& transaction) -> Result<bool> {
    HNX_TRY(leader_.Lock(transaction));
    return PublishIn(transaction, candidate, written);
  });
}

bool PgSettleStore::PublishIn(PgTransaction& transaction, const Candidate& candidate,
                              const WrittenManifest& written) {
  const pqxx::row release = transaction.Row(sql::kLockSettling, candidate.release);
  if (written.changes != candidate.changes ||
      release["changes"].as<std::int64_t>() != candidate.changes) {
    return false;
  }
  const pqxx::row position = transaction.Row(sql::kPublishPosition);
  const std::int64_t batch = position["planned_batch"].as<std::int64_t>() + 1;
  const auto channel = release["channel"].as<std::string>();
  const auto name = release["name"].as<std::string>();
  const auto file_path = [&](std::string_view file) {
    return mirror::ReleaseFilePath(channel, name, file);
  };
  if (const auto wider =
          transaction.Row(sql::kFindWiderRelease, candidate.release)[0].as<ReleaseId>()) {
    // Its manifest says more than ours would, and is written again when one of our paths changes.
    transaction.Exec(sql::kMarkReleaseFiles, candidate.release, batch - 1);
    transaction.Exec(sql::kRecordSettling, candidate.release, batch - 1, candidate.changes, false,
                     fmt::format("a part of release {}, whose manifest stays", wider));
    Log("settle")->info("release {} ({}/{}) is a part of release {}, whose manifest stays",
                        candidate.release, channel, name, wider);
    return true;
  }
  BatchBuilder builder(transaction, description_, batch, ReadBytes(position["index_key"]),
                       ReadBytes(position["predecessor_key"]));
  builder.PutMirrorJson(ReadBytes(position["mirror_json_sha256"]));
  for (const pqxx::row& file : transaction.Exec(sql::kUnpublishedReleaseFiles, candidate.release)) {
    builder.PutArtifact(file_path(file["name"].as<std::string>()),
                        file["artifact_id"].as<ArtifactId>());
  }
  transaction.Exec(sql::kMarkReleaseFiles, candidate.release, batch);
  builder.PutArtifact(file_path(mirror::kManifestFile), written.manifest);
  builder.PutArtifact(file_path(mirror::kListingFile), written.listing);

  // What the operator's budget leaves out does not make a release incomplete.
  const double share =
      static_cast<double>(written.paths - written.paths_published - written.paths_left_out) /
      static_cast<double>(written.paths);
  const bool complete_enough = share <= release["max_missing"].as<double>();
  const bool newest = release["latest_id"].as<ReleaseId>() <= candidate.release &&
                      release["newer_than_adopted"].as<bool>();
  const bool flips = complete_enough && newest && !release["is_latest"].as<bool>();
  std::string message;
  if (!complete_enough) {
    message = fmt::format(
        "{:.2f} % of the paths are unpublished, more than --max-missing allows: latest stays as it "
        "is",
        share * 100);
  }
  if (flips) {
    builder.PutText(mirror::LatestPath(channel), name + "\n");
    transaction.Exec(sql::kClearLatest, channel);
    transaction.Exec(sql::kForgetAdoptedLatest, channel);
    transaction.Exec(sql::kBudgetChanged);
  }
  transaction.Exec(sql::kRecordSettling, candidate.release, batch, candidate.changes, flips,
                   message);
  Log("settle")->info("release {} ({}/{}): {} of {} paths are published, manifest in batch {}",
                      candidate.release, channel, name, written.paths_published, written.paths,
                      batch);
  return true;
}

Result<void> PgSettleStore::MarkSettled() {
  return RunTransaction(pool_, "mark settled releases",
                        [&](PgTransaction& transaction) -> Result<void> {
                          HNX_TRY(leader_.Lock(transaction));
                          transaction.Exec(sql::kSettleReleases);
                          return {};
                        });
}

}  // namespace hnx::coordinator
