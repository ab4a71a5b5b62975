// PgRetireStore: what is beyond retention leaves the mirror, one bounded step after the other:
// the release's folder; the paths that no other release has, referrers before references; the
// links of NARs that no narinfo named for `retire_after`; then the shards are told to delete the
// entries and to clear the blocks (pg_drive_table). Each step asks anew, under the locks of the
// paths and NARs concerned, whether a release needs them. For the leader; one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "coordinator/domain/audit_view.h"
#include "coordinator/domain/channel_view.h"
#include "coordinator/store/batch_builder.h"
#include "coordinator/store/pg_leader.h"
#include "coordinator/store/pg_pool.h"

namespace hnx::coordinator {

struct RetireOptions {
  // Nix clients keep a narinfo so long: the NAR stays as long after its narinfo left.
  std::chrono::milliseconds retire_after{std::chrono::hours(24 * 30)};
  // What is due begins so often by itself; RequestRun begins at once.
  std::chrono::milliseconds run_interval{600'000};
  std::int64_t batch_paths_max = 1'000;   // narinfos or links that leave in one batch
  std::int64_t batches_ahead_max = 8;     // planned and not applied
  std::int64_t chunk_paths = 5'000;       // let go of in one step
  std::int64_t worker_alive_ms = 15'000;  // silent for longer: nothing is waited for
};

class PgRetireStore {
 public:
  // All must outlive this object.
  PgRetireStore(PgPool& pool, const PgLeader& leader, const IndexDescription& description,
                RetireOptions options = {})
      : pool_(pool), leader_(leader), description_(description), options_(options) {}

  // One step; true: there is more to do at once.
  Result<bool> Step();

  // The rest may be called by any replica and thread.
  // Has the leader begin with what is due.
  Result<void> RequestRun(const Caller& caller = {});
  // What is under way; with `foresee` also what a run would begin with.
  Result<GarbageView> Look(bool foresee);

 private:
  enum class Did { kNothing, kSomething, kWaits };
  struct Group {
    std::string channel;
    std::string name;
  };

  Result<Did> StepIn(PgTransaction& transaction);
  std::vector<Group> BeyondRetention(PgTransaction& transaction);
  Did RetireRelease(PgTransaction& transaction);
  Did LetGo(PgTransaction& transaction);
  Result<Did> UnlistPaths(PgTransaction& transaction);
  Result<std::vector<std::string>> TakePaths(PgTransaction& transaction,
                                             std::vector<PathId>& taken);
  Did UnlinkNars(PgTransaction& transaction);
  Did UnlinkUnnamed(PgTransaction& transaction);
  Did ForgetNars(PgTransaction& transaction);
  // The number of the next batch; 0: the log is far enough ahead of the index, or there is none.
  std::int64_t NextBatch(PgTransaction& transaction);

  PgPool& pool_;
  const PgLeader& leader_;
  const IndexDescription& description_;
  const RetireOptions options_;
};

}  // namespace hnx::coordinator
