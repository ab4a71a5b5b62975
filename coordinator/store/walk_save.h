// One save of a walk, within its transaction. Nearly all narinfos of a walk are plain: their path
// was only discovered so far and nobody knew their NAR. Those go into the tables directly, with
// numbers drawn beforehand. The others (read again, replaced, of a NAR that is known already) take
// the way over temporary tables, where every case has its rule.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "coordinator/store/path_cache.h"
#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/walk_store.h"

namespace hnx::coordinator {

struct LearntPath {
  std::string hash;
  PathId path = 0;
};

struct WalkSaveOutcome {
  SaveOutcome saved;
  // Members of the release, for the cache once the transaction is committed.
  std::vector<LearntPath> learnt;
};

Result<WalkSaveOutcome> SaveWalkBatch(PgTransaction& transaction, PathCache& known,
                                      ReleaseId release, std::span<const VerifiedNarInfo> narinfos,
                                      std::span<const PathFailure> failures);

}  // namespace hnx::coordinator
