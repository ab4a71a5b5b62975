// PgRescanStore: the database's side of a rescan. What is read of the index is staged first, batch
// by batch with the place that was reached; once all of it is there and was checked, Fill brings it
// to where it belongs, one bounded transaction a step. Killed anywhere, it goes on from the last
// step that was committed and ends the same. Needs the leadership throughout. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "coordinator/domain/audit_view.h"
#include "coordinator/store/pg_leader.h"
#include "coordinator/store/pg_pool.h"
#include "coordinator/store/rescan_types.h"

namespace hnx::coordinator {

class PgTransaction;

struct RescanPosition {
  RescanPhase phase = RescanPhase::kIndex;
  std::string position;
};

class PgRescanStore {
 public:
  // Both must outlive this object.
  PgRescanStore(PgPool& pool, const PgLeader& leader) : pool_(pool), leader_(leader) {}

  // A rescan of this index that was begun goes on; one that was of another version and had not
  // come to kShards begins anew. kFailedPrecondition: this database has releases and `merge` is
  // not set, is of another mirror, or knows a longer index; the message says what to do.
  Result<RescanPosition> Begin(ByteView index_key, std::uint64_t index_length, bool merge,
                               const Caller& caller = {});
  // Everything that was staged goes; findings stay until the next Begin.
  Result<void> Abandon();
  // Of a rescan that was not finished; kFailedPrecondition when there is one.
  static Result<void> CheckFinished(PgPool& pool);

  // -- Staging. Each is one transaction.
  Result<void> StageShards(std::span<const RescanShard> shards);
  Result<void> StageEntries(const RescanEntries& entries);
  Result<void> EndPhase(RescanPhase next);
  // The next release whose folder was not read; nullopt: none.
  struct PendingRelease {
    std::int64_t id = 0;
    std::string channel;
    std::string name;
  };
  Result<std::optional<PendingRelease>> NextRelease();
  // Members that an interrupted attempt left.
  Result<void> ForgetMembers(std::int64_t release);
  // How many were new; one that comes twice counts as it came first.
  Result<std::uint64_t> StageMembers(std::int64_t release, std::span<const RescanMember> members);
  Result<void> StagePlaces(std::span<const RescanPlace> places);
  Result<void> MarkRoots(std::int64_t release, std::span<const PathName> roots);
  Result<void> GuessRoots(std::int64_t release);
  Result<void> EndRelease(std::int64_t release, const RescanReleaseFacts& facts);
  // It cannot be taken over; why is a finding.
  Result<void> DropRelease(std::int64_t release);
  Result<void> AddFinding(const RescanFinding& finding);

  Result<RescanReport> Report(std::uint64_t index_length, bool dry_run);

 private:
  template <class Body>
  auto Leading(std::string_view what, Body body);

  PgPool& pool_;
  const PgLeader& leader_;
};

}  // namespace hnx::coordinator
