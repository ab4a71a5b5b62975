// PgReleaseCatalog: the releases that a mirror has and had, what changed from one to the other, and
// the files that were published of them. Lists come in pages; no memory grows with the number of
// paths. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "coordinator/domain/audit_view.h"
#include "coordinator/domain/release_view.h"
#include "coordinator/store/pg_leader.h"
#include "coordinator/store/pg_pool.h"
#include "coordinator/store/walk_store.h"

namespace hnx::coordinator {

class PgReleaseCatalog {
 public:
  // Both must outlive this object; `leader` is not asked for leadership.
  PgReleaseCatalog(PgPool& pool, const PgLeader& leader) : pool_(pool), leader_(leader) {}

  // "17", "CHANNEL/NAME", "CHANNEL" (its latest) or "NAME". kNotFound: no such release.
  Result<ReleaseId> Find(const std::string& name);
  // The newest first, of one channel or ("") of all; an error of `sink` ends it.
  Result<void> List(const std::string& channel,
                    const std::function<Result<void>(const ReleaseView&)>& sink);
  // The paths that `to` has and `from` lacks, then those that it lost; the totals at the end.
  // kFailedPrecondition: a release whose paths are not all known (not walked yet, or retired).
  Result<DifferenceTotals> Diff(ReleaseId from, ReleaseId to,
                                const std::function<Result<void>(const PathDifference&)>& sink);
  // A file of its folder in the index (manifest.json, listing.zst), as the index has it now.
  // kNotFound: nothing of that name is published.
  Result<void> ReadFile(ReleaseId release, const std::string& file,
                        const std::function<Result<void>(ByteView)>& sink);
  // Pinned releases are never retired. All submissions of the same release are pinned together.
  Result<void> Pin(ReleaseId release, bool pinned, const Caller& caller = {});

 private:
  Result<void> CheckComparable(ReleaseId release);
  Result<std::uint64_t> OnlyIn(ReleaseId release, ReleaseId other, bool added,
                               const std::function<Result<void>(const PathDifference&)>& sink);

  PgPool& pool_;
  const PgLeader& leader_;
};

}  // namespace hnx::coordinator
