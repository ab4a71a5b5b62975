// ManifestWriter: manifest.json and listing.zst of a release, as artifacts, from one consistent
// view of the database. Streamed: memory does not grow with the release. docs/formats/manifest.md.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "coordinator/store/pg_artifacts.h"
#include "coordinator/store/pg_pool.h"
#include "coordinator/store/walk_store.h"

namespace hnx::coordinator {

struct WrittenManifest {
  ArtifactId manifest = 0;
  ArtifactId listing = 0;
  // The release's count of state changes that both are true for.
  std::int64_t changes = 0;
  std::uint64_t paths = 0;
  std::uint64_t paths_published = 0;
  std::uint64_t paths_left_out = 0;  // by the budget
};

Result<WrittenManifest> WriteManifest(PgPool& pool, PgArtifacts& artifacts, ReleaseId release);

}  // namespace hnx::coordinator
