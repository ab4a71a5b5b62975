#include "coordinator/store/pg_lane_store.h"

#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {

Result<bool> PgLaneStore::RelaneStep() {
  const Position before = position_;
  auto outcome =
      RunTransaction(pool_, "put NARs into lanes", [&](PgTransaction& transaction) -> Result<bool> {
        position_ = before;
        HNX_TRY(leader_.Lock(transaction));
        LookRowsUp(transaction);
        const auto row = transaction.MaybeRow(sql::kNextReleaseToRelane);
        if (!row) {
          position_ = {};
          return false;
        }
        const auto release = (*row)["id"].as<std::int64_t>();
        const auto changes = (*row)["lane_changes"].as<std::int64_t>();
        if (position_.release != release || position_.changes != changes) {
          position_ = {.release = release, .changes = changes};
        }
        const bool at_work = (*row)["at_work"].as<bool>();
        const bool disarms = !at_work && !(*row)["unarmed"].as<bool>() && !position_.disarmed;
        const pqxx::row end =
            disarms
                ? transaction.Row(sql::kDisarmPaths, release, position_.after, chunk_rows_)
                : transaction.Row(sql::kRelaneNars, release, position_.after, chunk_rows_, at_work);
        if (!end[0].is_null()) {
          position_.after = end[0].as<std::int64_t>();
        } else if (disarms) {
          position_.disarmed = true;
          transaction.Exec(sql::kBudgetChanged);
          position_.after = 0;
        } else {
          transaction.Exec(sql::kFinishRelane, release, changes);
          position_ = {};
        }
        return true;
      });
  if (!outcome.has_value()) {
    position_ = {};
  }
  return outcome;
}

}  // namespace hnx::coordinator
