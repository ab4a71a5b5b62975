// OpenDatabase: the database that --database names, or the private one below --data.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "coordinator/database/private_postgres.h"

namespace hnx::coordinator {

struct Database {
  std::unique_ptr<PrivatePostgres> postgres;  // null: somebody else's
  std::string uri;
};

// Blocks until the private one takes connections.
Result<Database> OpenDatabase(const std::string& uri, const std::string& data);

}  // namespace hnx::coordinator
