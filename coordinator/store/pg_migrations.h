// Migrations: brings a database to this program's schema, each version once, in one transaction a
// version, under an advisory lock of that transaction, so that replicas starting together do it one
// after the other, through a pooler too.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace hnx::coordinator {

struct MigrationPlan {
  int current = 0;                   // the database's version before
  int newest = 0;                    // this program's
  std::vector<std::string> pending;  // "001_first_mirror", in order
};

// What Migrate would do. kFailedPrecondition: the database is newer than this program.
Result<MigrationPlan> PlanMigrations(const std::string& uri);
// Does it; the plan tells what was done.
Result<MigrationPlan> Migrate(const std::string& uri);

// Of this program's migrations the first that is not among these versions, as in
// MigrationPlan::pending; empty: none.
std::string FirstPendingMigration(const std::vector<std::string>& applied_versions);

}  // namespace hnx::coordinator
