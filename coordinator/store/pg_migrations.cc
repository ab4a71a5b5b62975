#include "coordinator/store/pg_migrations.h"

#include <algorithm>
#include <set>
#include <string>

#include <fmt/format.h>
#include <poll.h>

#include "coordinator/store/pg_transaction.h"
#include "coordinator/store/sql/migrations_embedded.h"

namespace hnx::coordinator {
namespace {

// Any number, as long as nothing else in the database uses it: "hypernix" in ASCII.
constexpr std::int64_t kMigrationLock = 0x68797065726e6978;

std::set<int> AppliedVersions(pqxx::connection& connection) {
  std::set<int> versions;
  pqxx::work work(connection);
  if (!work.exec1("SELECT to_regclass('schema_version') IS NULL")[0].as<bool>()) {
    for (const pqxx::row& row : work.exec("SELECT version FROM schema_version")) {
      versions.insert(row[0].as<int>());
    }
  }
  return versions;
}

std::string PendingName(const sql::Migration& migration) {
  return fmt::format("{:03}_{}", migration.version, migration.name);
}

Result<MigrationPlan> Plan(pqxx::connection& connection) {
  const std::set<int> applied = AppliedVersions(connection);
  MigrationPlan plan;
  plan.current = applied.empty() ? 0 : *applied.rbegin();
  plan.newest = sql::kMigrations.back().version;
  if (plan.current > plan.newest) {
    return FailedPrecondition(
        fmt::format("the database has schema version {}, this program knows up to {}: run a newer "
                    "coordinator",
                    plan.current, plan.newest));
  }
  // Also a lower one than the newest that the database has: numbers may have been given out of
  // order.
  for (const auto& migration : sql::kMigrations) {
    if (!applied.contains(migration.version)) {
      plan.pending.push_back(PendingName(migration));
    }
  }
  return plan;
}

// The lock is the transaction's, not the session's: behind a pooler each transaction may have
// another session.
void Apply(pqxx::connection& connection, const sql::Migration& migration) {
  pqxx::work work(connection);
  work.exec0("SET LOCAL lock_timeout = '60s'");
  work.exec_params("SELECT pg_advisory_xact_lock($1)", kMigrationLock);
  work.exec(
      "CREATE TABLE IF NOT EXISTS schema_version (version int PRIMARY KEY, name text NOT NULL, "
      "applied_at timestamptz NOT NULL DEFAULT now())");
  const bool known =
      work.exec_params1("SELECT EXISTS (SELECT FROM schema_version WHERE version = $1)",
                        migration.version)[0]
          .as<bool>();
  if (known) {
    return;  // another coordinator was faster
  }
  work.exec(std::string(migration.statements));
  work.exec_params0("INSERT INTO schema_version (version, name) VALUES ($1, $2)", migration.version,
                    std::string(migration.name));
  work.commit();
}

// Coordinators of the release before may be at work meanwhile, and hold locks in another order:
// when that ends in a deadlock it is run again.
Result<void> ApplyAmongOthers(pqxx::connection& connection, const sql::Migration& migration) {
  constexpr int kRunsMax = 30;
  for (int run = 1;; ++run) {
    try {
      Apply(connection, migration);
      return {};
    } catch (const std::exception&) {
      const PgFailure failure = CurrentPgFailure("migrate the database");
      if (!failure.rolled_back || run >= kRunsMax) {
        return failure.error;
      }
    }
    (void)::poll(nullptr, 0, static_cast<int>(internal::RerunDelay(run).count()));
  }
}

}  // namespace

Result<MigrationPlan> PlanMigrations(const std::string& uri) {
  try {
    PgConnection connection(uri);
    return Plan(connection.get());
  } catch (const std::exception&) {
    return CurrentPgFailure("read the schema's version").error;
  }
}

Result<MigrationPlan> Migrate(const std::string& uri) {
  try {
    PgConnection connection(uri);
    auto plan = Plan(connection.get());
    if (!plan.has_value()) {
      return plan;
    }
    for (const auto& migration : sql::kMigrations) {
      if (std::ranges::find(plan->pending, PendingName(migration)) != plan->pending.end()) {
        HNX_TRY(ApplyAmongOthers(connection.get(), migration));
      }
    }
    return plan;
  } catch (const std::exception&) {
    return CurrentPgFailure("migrate the database").error;
  }
}

std::string FirstPendingMigration(const std::vector<std::string>& applied_versions) {
  for (const auto& migration : sql::kMigrations) {
    if (std::find(applied_versions.begin(), applied_versions.end(),
                  std::to_string(migration.version)) == applied_versions.end()) {
      return PendingName(migration);
    }
  }
  return {};
}

}  // namespace hnx::coordinator
