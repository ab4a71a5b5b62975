// PostgresFixture: one throw-away PostgreSQL for a whole test binary, and a fresh database with the
// newest schema for each test. Started as an unprivileged user when the tests run as root.
#pragma once

#include <memory>
#include <string>

#include "coordinator/database/private_postgres.h"

namespace hnx::test {

class PostgresFixture {
 public:
  // Starts the server when first asked; it ends with the process.
  static PostgresFixture& Get();
  ~PostgresFixture();
  PostgresFixture(const PostgresFixture&) = delete;
  PostgresFixture& operator=(const PostgresFixture&) = delete;

  // The URI of a new, migrated database.
  std::string NewDatabase();
  // Kills the server like kill -9; returns when it has come back. Open connections are dead.
  void Kill();

 private:
  PostgresFixture();

  std::string directory_;
  std::unique_ptr<coordinator::PrivatePostgres> postgres_;
  int databases_ = 0;
};

// Runs SQL on a database from outside of the store, for set-up and for looking. The first column of
// the first row, or "".
std::string Sql(const std::string& uri, const std::string& statement);

}  // namespace hnx::test
