// PgWalkStore: WalkStore over PostgreSQL. A batch is a handful of set-wise statements in one
// transaction (walk_save.h).
#pragma once

#include "coordinator/store/path_cache.h"
#include "coordinator/store/pg_artifacts.h"
#include "coordinator/store/pg_leader.h"
#include "coordinator/store/pg_pool.h"
#include "coordinator/store/same_server.h"
#include "coordinator/store/walk_store.h"

namespace hnx::coordinator {

class PgTransaction;

// Adds roots inside a transaction; used by Submit of a list too.
Result<AddRootsOutcome> AddRootsIn(PgTransaction& transaction, ReleaseId release,
                                   std::span<const PathName> roots);

class PgWalkStore final : public WalkStore {
 public:
  // All must outlive this object. `limits`: of the cluster at each upstream host; `holder`: who
  // holds the walk's share of them, one name a replica.
  PgWalkStore(PgPool& pool, const PgLeader& leader, HostLimits limits = {},
              std::string holder = "walk")
      : pool_(pool),
        leader_(leader),
        limits_(limits),
        holder_(std::move(holder)),
        artifacts_(pool, leader) {}

  Result<std::optional<WalkRelease>> NextReleaseToResolve() override;
  Result<std::optional<WalkRelease>> NextReleaseToWalk() override;
  Result<void> PinRelease(ReleaseId release, const ReleasePin& pin) override;
  Result<PreviousRelease> FindPreviousRelease(ReleaseId release) override;
  Result<void> RefuseRelease(ReleaseId release, const std::string& message) override;
  Result<void> DeferRelease(ReleaseId release, const std::string& message,
                            std::chrono::milliseconds retry_in) override;
  Result<std::unique_ptr<ArtifactWriter>> NewArtifact() override;
  Result<std::optional<ArtifactId>> FindArtifact(const Sha256& sha256,
                                                 std::uint64_t size_bytes) override;
  Result<void> ReadArtifact(ArtifactId artifact,
                            const std::function<Result<void>(ByteView)>& sink) override;
  Result<void> AddReleaseFile(ReleaseId release, const ReleaseFileRow& file) override;
  Result<std::vector<ReleaseFileRow>> ListReleaseFiles(ReleaseId release) override;
  Result<AddRootsOutcome> AddRoots(ReleaseId release, std::span<const PathName> roots) override;
  Result<std::uint64_t> CountRoots(ReleaseId release) override;
  Result<void> BeginWalk(ReleaseId release) override;
  Result<std::uint64_t> ExpandKnown(ReleaseId release, std::size_t limit) override;
  Result<Frontier> NextFrontier(ReleaseId release, PathId after, std::size_t limit,
                                std::span<const UpstreamId> askable) override;
  Result<SaveOutcome> SaveWalkResults(ReleaseId release, std::span<const VerifiedNarInfo> narinfos,
                                      std::span<const PathFailure> failures) override;
  Result<void> FinishWalk(ReleaseId release) override;
  Result<std::vector<UpstreamId>> ConfigureUpstreams(
      std::span<const ConfiguredUpstream> upstreams) override;
  Result<void> PauseUpstream(UpstreamId upstream, std::chrono::milliseconds pause) override;
  Result<HostAllowance> ClaimShare(UpstreamId upstream, const HostUseReport& use) override;

 private:
  Result<std::optional<WalkRelease>> NextRelease(std::string_view statement);
  template <class Body>
  auto AsLeader(std::string_view what, Body body);
  // One of the transactions that resolve or walk a release: they belong together (SameServer).
  template <class Body>
  auto AsLeaderOf(ReleaseId release, std::string_view what, Body body);

  PgPool& pool_;
  const PgLeader& leader_;
  const HostLimits limits_;
  const std::string holder_;
  PgArtifacts artifacts_;
  SameServer servers_;
  PathCache known_paths_;
  SameServer known_paths_server_;
};

}  // namespace hnx::coordinator
