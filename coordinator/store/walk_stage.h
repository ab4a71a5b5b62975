// The walk's batches on their way into the database: COPY into temporary tables that live as long
// as the connection and are empty at the beginning of each transaction.
#pragma once

#include <span>

#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/walk_store.h"

namespace hnx::coordinator {

// Makes the tables when this connection has none.
void MakeWalkStage(PgTransaction& transaction);
void StageRoots(PgTransaction& transaction, std::span<const PathName> roots);
// With their references.
// `upstream`: that of narinfos that name none.
void StageNarInfos(PgTransaction& transaction, UpstreamId upstream,
                   std::span<const VerifiedNarInfo> narinfos);
void StageFailures(PgTransaction& transaction, std::span<const PathFailure> failures);

}  // namespace hnx::coordinator
