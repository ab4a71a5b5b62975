// PgOverviewStore: what metrics and the status page show, read at a cost that does not grow with
// the mirror, and one page at a time what failed. Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "coordinator/domain/overview.h"
#include "coordinator/domain/release_view.h"
#include "coordinator/store/pg_leader.h"
#include "coordinator/store/pg_pool.h"

namespace hnx::coordinator {

struct FailuresPage {
  std::vector<FailureView> failures;
  std::string next;  // what the page after it begins behind; empty: there is none
};

class PgOverviewStore {
 public:
  // Both must outlive this object.
  PgOverviewStore(PgPool& pool, PgLeader& leader) : pool_(pool), leader_(leader) {}

  Result<Overview> Read();
  // The leader's: makes one row of the many that counting left behind.
  Result<void> FoldStates();
  // Failed paths of a release above the hash `after`, whose hash-name or name begins with `prefix`.
  // kNotFound: there is no such release.
  Result<FailuresPage> Failures(std::int64_t release, const std::string& after,
                                const std::string& prefix, std::uint32_t failures_max);

 private:
  PgPool& pool_;
  PgLeader& leader_;
};

}  // namespace hnx::coordinator
