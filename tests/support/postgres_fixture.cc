#include "support/postgres_fixture.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include <gtest/gtest.h>
#include <pqxx/pqxx>

#include "base/check.h"
#include "coordinator/store/pg_migrations.h"

namespace hnx::test {
namespace {

// The connection string of another database on the same server.
std::string WithDatabase(const std::string& connection_string, const std::string& name) {
  return connection_string + " dbname=" + name;
}

}  // namespace

PostgresFixture& PostgresFixture::Get() {
  static PostgresFixture fixture;
  return fixture;
}

PostgresFixture::PostgresFixture() {
  std::string pattern = "/tmp/hnx-test-pg-XXXXXX";
  HNX_CHECK(::mkdtemp(pattern.data()) != nullptr);
  directory_ = pattern;
  auto started = coordinator::PrivatePostgres::Start(
      {.directory = std::filesystem::path(directory_) / "postgres"});
  if (!started.has_value()) {
    ADD_FAILURE() << started.error().ToString();
    std::abort();
  }
  postgres_ = *std::move(started);
  // Tests wait for no disk, and make databases from one that is migrated already.
  const std::string& uri = postgres_->connection_string();
  Sql(uri, "ALTER SYSTEM SET fsync = off");
  Sql(uri, "ALTER SYSTEM SET synchronous_commit = off");
  // It would visit each of a hundred small databases every minute.
  Sql(uri, "ALTER SYSTEM SET autovacuum = off");
  Sql(uri, "SELECT pg_reload_conf()");
  Sql(uri, "CREATE DATABASE hnx_template");
  const auto migrated = coordinator::Migrate(WithDatabase(uri, "hnx_template"));
  if (!migrated.has_value()) {
    ADD_FAILURE() << migrated.error().ToString();
    std::abort();
  }
}

PostgresFixture::~PostgresFixture() {
  postgres_->Stop();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string PostgresFixture::NewDatabase() {
  const std::string name = "hnx_test_" + std::to_string(++databases_);
  Sql(postgres_->connection_string(), "CREATE DATABASE " + name + " TEMPLATE hnx_template");
  return WithDatabase(postgres_->connection_string(), name);
}

void PostgresFixture::Kill() {
  const pid_t killed = postgres_->server_pid();
  HNX_CHECK(::kill(killed, SIGKILL) == 0);
  for (;;) {  // the test's own time limit ends this
    try {
      if (postgres_->server_pid() != killed) {
        Sql(postgres_->connection_string(), "SELECT 1");
        return;
      }
    } catch (const pqxx::failure&) {
      // Not yet.
    }
    std::this_thread::yield();
  }
}

std::string Sql(const std::string& uri, const std::string& statement) {
  pqxx::connection connection(uri);
  pqxx::nontransaction work(connection);
  const pqxx::result rows = work.exec(statement);
  return rows.empty() || rows[0][0].is_null() ? std::string() : rows[0][0].as<std::string>();
}

}  // namespace hnx::test
