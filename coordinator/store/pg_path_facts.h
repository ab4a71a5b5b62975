// What the database knows of one path, for `coordinator why`. Included by pg_*.cc only.
#pragma once

#include <string>

#include "base/result.h"
#include "coordinator/domain/path_view.h"

namespace hnx::coordinator {

class PgTransaction;

// kNotFound: no release ever named it.
Result<PathView> ReadPathView(PgTransaction& transaction, const std::string& store_path_hash);

}  // namespace hnx::coordinator
