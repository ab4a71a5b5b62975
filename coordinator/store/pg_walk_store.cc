#include "coordinator/store/pg_walk_store.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "base/check.h"
#include "coordinator/store/pg_host_table.h"
#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"
#include "coordinator/store/walk_save.h"
#include "coordinator/store/walk_stage.h"

namespace hnx::coordinator {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kOperatorsPause{5'000};

std::int64_t Milliseconds(milliseconds value) {
  return static_cast<std::int64_t>(value.count());
}

Sha256 ReadSha256(const pqxx::field& field) {
  const Bytes bytes = ReadBytes(field);
  Sha256 sha256{};
  HNX_CHECK(bytes.size() == sha256.size());
  std::copy(bytes.begin(), bytes.end(), sha256.begin());
  return sha256;
}

WalkRelease ReadRelease(const pqxx::row& row) {
  return {.id = row["id"].as<ReleaseId>(),
          .channel = row["channel"].as<std::string>(),
          .name = row["name"].as<std::string>(),
          .source_url = row["source_url"].as<std::string>(),
          .revision = row["revision"].as<std::string>(),
          .upstream_id = row["upstream_id"].as<UpstreamId>(),
          .upstream_url = row["upstream_url"].as<std::string>(),
          .match = ReadTextArray(row["match"]),
          .exclude = ReadTextArray(row["exclude"]),
          .force = row["force"].as<bool>()};
}

Result<pqxx::row> LockRelease(PgTransaction& transaction, ReleaseId release) {
  const auto row = transaction.MaybeRow(sql::kLockRelease, release);
  if (!row) {
    return NotFound(fmt::format("there is no release {}", release));
  }
  if ((*row)["state"].as<std::string>() == "cancelled") {
    return Aborted(fmt::format("release {} was cancelled", release));
  }
  return *row;
}

FrontierPath ReadFrontierPath(const pqxx::row& row) {
  FrontierPath path{.path = row["id"].as<PathId>(),
                    .hash = row["hash"].as<std::string>(),
                    .name = row["name"].as<std::string>(),
                    .attempts = row["attempts"].as<int>()};
  if (row["is_fresh"].as<bool>()) {
    return path;
  }
  for (const std::string& id : ReadTextArray(row["ruled_out"])) {
    path.ruled_out.push_back(std::stoll(id));
  }
  path.reason = row["reason"].as<std::string>();
  path.message = row["message"].as<std::string>();
  return path;
}

// When everything else is walked: closes what was taken over from the base under References, or has
// it walked after all. How many paths that brought.
std::uint64_t LeaveBase(PgTransaction& transaction, ReleaseId release) {
  const auto base = transaction.MaybeRow(sql::kLockBase, release);
  if (!base) {
    return 0;
  }
  if ((*base)["usable"].as<bool>(false)) {
    const auto joined =
        transaction.Row(sql::kJoinFromBase, release, (*base)["base_id"].as<ReleaseId>())[0]
            .as<std::uint64_t>();
    if (joined > 0) {
      return joined;
    }
    transaction.Exec(sql::kLeaveBase, release);
    return 0;
  }
  transaction.Exec(sql::kLeaveBase, release);
  return transaction.Exec(sql::kWalkWithoutBase, release).affected_rows();
}

}  // namespace

template <class Body>
auto PgWalkStore::AsLeader(std::string_view what, Body body) {
  using Outcome = std::invoke_result_t<Body, PgTransaction&>;
  return RunTransaction(pool_, what, [&](PgTransaction& transaction) -> Outcome {
    HNX_TRY(leader_.Lock(transaction));
    return body(transaction);
  });
}

template <class Body>
auto PgWalkStore::AsLeaderOf(ReleaseId release, std::string_view what, Body body) {
  using Outcome = std::invoke_result_t<Body, PgTransaction&>;
  return AsLeader(what, [&](PgTransaction& transaction) -> Outcome {
    HNX_TRY(servers_.Check(transaction, release));
    return body(transaction);
  });
}

Result<std::optional<WalkRelease>> PgWalkStore::NextRelease(std::string_view statement) {
  return RunTransaction(pool_, "find a release to work on",
                        [&](PgTransaction& transaction) -> Result<std::optional<WalkRelease>> {
                          const auto row = transaction.MaybeRow(statement);
                          return row ? std::optional(ReadRelease(*row)) : std::nullopt;
                        });
}

Result<std::optional<WalkRelease>> PgWalkStore::NextReleaseToResolve() {
  return NextRelease(sql::kNextReleaseToResolve);
}

Result<std::optional<WalkRelease>> PgWalkStore::NextReleaseToWalk() {
  return NextRelease(sql::kNextReleaseToWalk);
}

Result<void> PgWalkStore::PinRelease(ReleaseId release, const ReleasePin& pin) {
  return AsLeaderOf(release, "pin a release", [&](PgTransaction& transaction) -> Result<void> {
    HNX_ASSIGN_OR_RETURN(const pqxx::row row, LockRelease(transaction, release));
    const auto name = row["name"].as<std::string>();
    if (!name.empty() &&
        (name != pin.name || row["source_url"].as<std::string>() != pin.source_url ||
         row["revision"].as<std::string>() != pin.revision)) {
      return Error{ErrorCode::kAlreadyExists,
                   fmt::format("release {} is pinned to {} already", release, name)};
    }
    transaction.Exec(sql::kPinRelease, release, pin.name, pin.source_url, pin.revision);
    return {};
  });
}

Result<PreviousRelease> PgWalkStore::FindPreviousRelease(ReleaseId release) {
  return RunTransaction(pool_, "find the previous release",
                        [&](PgTransaction& transaction) -> Result<PreviousRelease> {
                          const pqxx::row row = transaction.Row(sql::kFindPreviousRelease, release);
                          return PreviousRelease{.name = row["name"].as<std::string>(),
                                                 .roots = row["roots"].as<std::uint64_t>()};
                        });
}

Result<void> PgWalkStore::RefuseRelease(ReleaseId release, const std::string& message) {
  return AsLeader("refuse a release", [&](PgTransaction& transaction) -> Result<void> {
    if (transaction.Exec(sql::kRefuseRelease, release, message).affected_rows() == 0) {
      return {};
    }
    transaction.Exec(sql::kDropReleasePaths, release);
    transaction.Exec(sql::kDropReleaseFrontier, release);
    transaction.Exec(sql::kDropReleaseCounters, release);
    return {};
  });
}

Result<void> PgWalkStore::DeferRelease(ReleaseId release, const std::string& message,
                                       milliseconds retry_in) {
  return AsLeader("defer a release", [&](PgTransaction& transaction) -> Result<void> {
    transaction.Exec(sql::kDeferRelease, release, message, Milliseconds(retry_in));
    return {};
  });
}

Result<std::unique_ptr<ArtifactWriter>> PgWalkStore::NewArtifact() {
  return artifacts_.NewArtifact();
}

Result<std::optional<ArtifactId>> PgWalkStore::FindArtifact(const Sha256& sha256,
                                                            std::uint64_t size_bytes) {
  return artifacts_.Find(sha256, size_bytes);
}

Result<void> PgWalkStore::ReadArtifact(ArtifactId artifact,
                                       const std::function<Result<void>(ByteView)>& sink) {
  return artifacts_.Read(artifact, sink);
}

Result<void> PgWalkStore::AddReleaseFile(ReleaseId release, const ReleaseFileRow& file) {
  return AsLeaderOf(
      release, "add a release's file", [&](PgTransaction& transaction) -> Result<void> {
        const std::string artifact = file.artifact ? std::to_string(*file.artifact) : "";
        const auto row = transaction.MaybeRow(
            sql::kAddReleaseFile, release, file.name, Binary(file.sha256),
            static_cast<std::int64_t>(file.size_bytes), file.artifact ? artifact.c_str() : nullptr);
        if (!row) {
          return Error{ErrorCode::kAlreadyExists,
                       fmt::format("file {} of release {} is recorded with another SHA-256",
                                   file.name, release)};
        }
        return {};
      });
}

Result<std::vector<ReleaseFileRow>> PgWalkStore::ListReleaseFiles(ReleaseId release) {
  return RunTransaction(
      pool_, "list a release's files",
      [&](PgTransaction& transaction) -> Result<std::vector<ReleaseFileRow>> {
        std::vector<ReleaseFileRow> files;
        for (const pqxx::row& row : transaction.Exec(sql::kListReleaseFiles, release)) {
          ReleaseFileRow file{.name = row["name"].as<std::string>(),
                              .sha256 = ReadSha256(row["sha256"]),
                              .size_bytes = row["size_bytes"].as<std::uint64_t>(),
                              .artifact = std::nullopt};
          if (!row["artifact_id"].is_null()) {
            file.artifact = row["artifact_id"].as<ArtifactId>();
          }
          files.push_back(std::move(file));
        }
        return files;
      });
}

Result<AddRootsOutcome> AddRootsIn(PgTransaction& transaction, ReleaseId release,
                                   std::span<const PathName> roots) {
  HNX_CHECK(roots.size() <= kWalkBatchMax);
  StageRoots(transaction, roots);
  AddRootsOutcome outcome;
  if (transaction.Row(sql::kInsertRootPaths)[0].as<bool>()) {
    for (const pqxx::row& row : transaction.Exec(sql::kFindRootConflicts, release)) {
      outcome.conflicts.push_back({.hash = row["hash"].as<std::string>(),
                                   .listed_name = row["listed_name"].as<std::string>(),
                                   .known_name = row["known_name"].as<std::string>(),
                                   .in_this_release = row["in_this_release"].as<bool>()});
    }
  }
  outcome.added = transaction.Row(sql::kInsertRoots, release)[0].as<std::uint64_t>();
  return outcome;
}

Result<AddRootsOutcome> PgWalkStore::AddRoots(ReleaseId release, std::span<const PathName> roots) {
  return AsLeaderOf(release, "add roots",
                    [&](PgTransaction& transaction) -> Result<AddRootsOutcome> {
                      HNX_TRY(LockRelease(transaction, release));
                      return AddRootsIn(transaction, release, roots);
                    });
}

Result<std::uint64_t> PgWalkStore::CountRoots(ReleaseId release) {
  return RunTransaction(pool_, "count roots",
                        [&](PgTransaction& transaction) -> Result<std::uint64_t> {
                          return transaction.Row(sql::kCountRoots, release)[0].as<std::uint64_t>();
                        });
}

Result<void> PgWalkStore::BeginWalk(ReleaseId release) {
  return AsLeaderOf(release, "begin a walk", [&](PgTransaction& transaction) -> Result<void> {
    transaction.Exec(sql::kBeginWalk, release);
    return {};
  });
}

Result<std::uint64_t> PgWalkStore::ExpandKnown(ReleaseId release, std::size_t limit) {
  return AsLeaderOf(
      release, "expand known paths", [&](PgTransaction& transaction) -> Result<std::uint64_t> {
        LookRowsUp(transaction);
        const pqxx::result rows =
            transaction.Exec(sql::kExpandKnown, release, static_cast<std::int64_t>(limit));
        if (rows.empty()) {
          return LeaveBase(transaction, release);
        }
        PgArray ids;
        for (const pqxx::row& row : rows) {
          ids.Add(row[0].as<std::int64_t>());
        }
        transaction.Exec(sql::kJoinReferences, release, ids.Literal());
        return std::uint64_t{rows.size()};
      });
}

Result<Frontier> PgWalkStore::NextFrontier(ReleaseId release, PathId after, std::size_t limit,
                                           std::span<const UpstreamId> askable) {
  const std::string askable_ids = Int64Array(askable);
  return RunTransaction(
      pool_, "read the frontier", [&](PgTransaction& transaction) -> Result<Frontier> {
        Frontier frontier;
        for (const pqxx::row& row :
             transaction.Exec(sql::kNextFrontier, release, after, static_cast<std::int64_t>(limit),
                              askable_ids)) {
          frontier.paths.push_back(ReadFrontierPath(row));
        }
        if (frontier.paths.empty()) {
          const pqxx::row row = transaction.Row(sql::kNextFrontierReady, release, askable_ids);
          if (!row[0].is_null()) {
            frontier.next_ready = milliseconds(row[0].as<std::int64_t>());
          }
          frontier.waits_for_others = row[1].as<bool>();
        }
        return frontier;
      });
}

Result<SaveOutcome> PgWalkStore::SaveWalkResults(ReleaseId release,
                                                 std::span<const VerifiedNarInfo> narinfos,
                                                 std::span<const PathFailure> failures) {
  HNX_CHECK(narinfos.size() <= kWalkBatchMax && failures.size() <= kWalkBatchMax);
  auto outcome = AsLeaderOf(
      release, "save narinfos", [&](PgTransaction& transaction) -> Result<WalkSaveOutcome> {
        HNX_TRY(LockRelease(transaction, release));
        if (!known_paths_server_.Check(transaction, 0).has_value()) {
          known_paths_.Clear();
          known_paths_server_.Begin(transaction, 0);
        }
        return SaveWalkBatch(transaction, known_paths_, release, narinfos, failures);
      });
  if (!outcome.has_value()) {
    // Whatever happened to the database, what is read from it from now on counts.
    known_paths_.Clear();
    return outcome.error();
  }
  for (const LearntPath& path : outcome->learnt) {
    known_paths_.Put(path.hash, {path.path, release});
  }
  return std::move(outcome->saved);
}

Result<void> PgWalkStore::FinishWalk(ReleaseId release) {
  auto finished =
      AsLeaderOf(release, "finish a walk", [&](PgTransaction& transaction) -> Result<void> {
        HNX_ASSIGN_OR_RETURN(const pqxx::row row, LockRelease(transaction, release));
        if (row["walked"].as<bool>() || row["state"].as<std::string>() != "walking") {
          return {};
        }
        if (!transaction.Row(sql::kFrontierIsEmpty, release)[0].as<bool>()) {
          return FailedPrecondition("the frontier is not empty");
        }
        transaction.Exec(sql::kFinishWalk, release);
        return {};
      });
  if (finished.has_value()) {
    servers_.Forget(release);
  }
  return finished;
}

Result<std::vector<UpstreamId>> PgWalkStore::ConfigureUpstreams(
    std::span<const ConfiguredUpstream> upstreams) {
  return RunTransaction(pool_, "note the upstreams",
                        [&](PgTransaction& transaction) -> Result<std::vector<UpstreamId>> {
                          std::vector<UpstreamId> ids;
                          for (const ConfiguredUpstream& upstream : upstreams) {
                            ids.push_back(transaction
                                              .Row(sql::kConfigureUpstream, upstream.url,
                                                   static_cast<int>(ids.size()) + 1,
                                                   TextArray(upstream.public_keys))[0]
                                              .as<UpstreamId>());
                          }
                          transaction.Exec(sql::kForgetOtherUpstreams, Int64Array(ids));
                          return ids;
                        });
}

Result<void> PgWalkStore::PauseUpstream(UpstreamId upstream, milliseconds pause) {
  return RunTransaction(pool_, "pause an upstream",
                        [&](PgTransaction& transaction) -> Result<void> {
                          transaction.Exec(sql::kPauseUpstream, upstream, Milliseconds(pause));
                          return {};
                        });
}

Result<HostAllowance> PgWalkStore::ClaimShare(UpstreamId upstream, const HostUseReport& use) {
  return AsLeader("share out a host", [&](PgTransaction& transaction) -> Result<HostAllowance> {
    const auto host = transaction.Row(sql::kHostOfUpstreamId, upstream)[0].as<std::string>();
    if (host.empty()) {
      return HostAllowance{.host = host, .limits = {}, .share = {}};  // a folder
    }
    HostAllowance allowance =
        hnx::coordinator::ClaimShare(transaction, host, holder_, use, limits_);
    if (transaction.Row(sql::kHostIsPaused, host)[0].as<bool>()) {
      // Until somebody resumes it; it is looked at again meanwhile.
      allowance.pause = std::max(allowance.pause, kOperatorsPause);
    }
    return allowance;
  });
}

}  // namespace hnx::coordinator
