// UndoUnappliedBatches: what a database that was copied had planned for the index and not seen
// applied is planned anew. The index has gone on without it: entries that it puts may refer to what
// has left, and what it removes may have come back.
#pragma once

#include <cstdint>

namespace hnx::coordinator {

class PgTransaction;

// `published_batch`: the last batch that the database knows as applied. Removals of release folders
// are kept, in one batch.
void UndoUnappliedBatches(PgTransaction& transaction, std::int64_t published_batch);

}  // namespace hnx::coordinator
