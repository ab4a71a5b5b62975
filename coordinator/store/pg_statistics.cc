#include "coordinator/store/pg_statistics.h"

#include <array>
#include <string>
#include <vector>

#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {
namespace {

// Those with a row for each path or NAR.
const std::array<std::string, 9> kLargeTables{"release_frontier", "path",      "path_reference",
                                              "narinfo",          "nar",       "release_path",
                                              "release_nar",      "plan_work", "publish_operation"};

}  // namespace

Result<void> PgStatistics::Refresh() {
  std::vector<std::string> grown;
  HNX_TRY(RunTransaction(
      pool_, "look at the tables' sizes", [&](PgTransaction& transaction) -> Result<void> {
        grown.clear();
        for (const pqxx::row& row : transaction.Exec(sql::kGrownTables, TextArray(kLargeTables))) {
          grown.push_back(row[0].as<std::string>());
        }
        return {};
      }));
  for (const std::string& table : grown) {
    // One at a time: each is locked against others that do the same. Autovacuum may be at it.
    HNX_TRY(RunTransaction(pool_, "make statistics of " + table,
                           [&](PgTransaction& transaction) -> Result<void> {
                             transaction.work().exec("ANALYZE (SKIP_LOCKED) " + table);
                             return {};
                           }));
  }
  return {};
}

}  // namespace hnx::coordinator
