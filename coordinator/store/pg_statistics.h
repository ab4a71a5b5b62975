// PgStatistics: what PostgreSQL knows of the tables' sizes and contents. A walk fills them within
// minutes, and plans that were made for empty tables take hours; autovacuum looks rarely. One
// thread, of the leader; several would only do it twice.
#pragma once

#include "base/result.h"
#include "coordinator/store/pg_pool.h"

namespace hnx::coordinator {

class PgStatistics {
 public:
  // `pool` must outlive this.
  explicit PgStatistics(PgPool& pool) : pool_(pool) {}

  // Of tables that grew by half since they were last looked at.
  Result<void> Refresh();

 private:
  PgPool& pool_;
};

}  // namespace hnx::coordinator
