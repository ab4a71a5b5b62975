// Of `coordinator doctor`: the database, its schema, its clock, and who works on it.
#pragma once

#include <string>

#include "base/clock.h"
#include "cli/checkup.h"
#include "coordinator/store/pg_pool.h"

namespace hnx::coordinator {

// Adds "database", "schema", "database-clock", "workers". Changes nothing. True: the database can
// be asked further.
bool CheckDatabase(cli::Checkup& checkup, const std::string& uri, bool no_migrate,
                   const Clock& clock);

}  // namespace hnx::coordinator
