#include "coordinator/store/pg_checkup.h"

#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/statements_embedded.h"

namespace hnx::coordinator {

Result<ServerFacts> LookAtServer(PgPool& pool) {
  return RunTransaction(pool, "look at the database",
                        [&](PgTransaction& transaction) -> Result<ServerFacts> {
                          const pqxx::row row = transaction.Row(sql::kCheckupServer);
                          return ServerFacts{.version = row["version"].as<std::string>(),
                                             .major = row["major"].as<int>(),
                                             .read_only = row["read_only"].as<bool>(),
                                             .now_ms = row["now_ms"].as<std::int64_t>(),
                                             .role = row["role"].as<std::string>(),
                                             .database = row["name"].as<std::string>(),
                                             .may_create = row["may_create"].as<bool>(),
                                             .may_write = row["may_write"].as<bool>()};
                        });
}

Result<std::optional<std::string>> PathFromUpstream(PgPool& pool, const std::string& upstream) {
  return RunTransaction(pool, "look for a path",
                        [&](PgTransaction& transaction) -> Result<std::optional<std::string>> {
                          const auto row = transaction.MaybeRow(sql::kCheckupPath, upstream);
                          return row ? std::optional((*row)[0].as<std::string>()) : std::nullopt;
                        });
}

}  // namespace hnx::coordinator
