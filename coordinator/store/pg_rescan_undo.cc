#include "coordinator/store/pg_rescan_undo.h"

#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {

void UndoUnappliedBatches(PgTransaction& transaction, std::int64_t published_batch) {
  for (const auto statement :
       {sql::kUndoLinks, sql::kUndoUnlinks, sql::kUndoSettling, sql::kUndoReleaseFiles,
        sql::kUndoOperations, sql::kGatherOperations, sql::kUndoBatches}) {
    transaction.Exec(statement, published_batch);
  }
  const pqxx::result undone = transaction.Exec(sql::kUndoPublishedPaths, published_batch);
  if (!undone.empty()) {
    PgArray ids;
    for (const pqxx::row& row : undone) {
      ids.Add(row[0].as<std::int64_t>());
    }
    transaction.Exec(sql::kUnwatchReferrers, ids.Literal());
  }
  transaction.Exec(sql::kUndoMirrorJson);
}

}  // namespace hnx::coordinator
