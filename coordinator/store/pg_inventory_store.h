// PgInventoryStore: the drives and the leases, for lists that operators read; at a cost that does
// not grow with the number of paths. Any replica and thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "coordinator/domain/inventory.h"
#include "coordinator/store/pg_pool.h"

namespace hnx::coordinator {

class PgInventoryStore {
 public:
  // `pool` must outlive this object.
  explicit PgInventoryStore(PgPool& pool) : pool_(pool) {}

  // The index, then the shards as they came, page by page; an error of `take` ends it.
  // kInvalidArgument: no such state. kNotFound: no such worker.
  Result<void> ListDrives(const DriveFilter& filter,
                          const std::function<Result<void>(const DriveView&)>& take);
  // The queue by state, unless one worker is asked for, and leases. Errors as above.
  Result<JobsView> Jobs(const JobFilter& filter);

 private:
  Result<std::vector<std::string>> WorkersNamed(const std::string& name);

  PgPool& pool_;
};

}  // namespace hnx::coordinator
