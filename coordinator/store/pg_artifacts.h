// PgArtifacts: files on their way into the index drive, kept in the database in chunks of
// kArtifactChunkBytesMax, so that the publish log can be replayed to the same bytes. Memory: one
// chunk. Thread-safe; a writer belongs to one thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "coordinator/store/pg_leader.h"
#include "coordinator/store/pg_pool.h"
#include "coordinator/store/walk_store.h"

namespace hnx::coordinator {

class PgArtifacts {
 public:
  // Both must outlive this object and its writers.
  PgArtifacts(PgPool& pool, const PgLeader& leader) : pool_(pool), leader_(leader) {}

  Result<std::unique_ptr<ArtifactWriter>> NewArtifact();
  Result<std::optional<ArtifactId>> Find(const Sha256& sha256, std::uint64_t size_bytes);
  Result<void> Read(ArtifactId artifact, const std::function<Result<void>(ByteView)>& sink);
  // What crashes left behind.
  Result<void> DropUnfinished();

 private:
  PgPool& pool_;
  const PgLeader& leader_;
};

}  // namespace hnx::coordinator
