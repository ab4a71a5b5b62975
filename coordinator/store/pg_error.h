// PgError: where libpqxx's exceptions end. SQLSTATE -> ErrorCode, in one table.
#pragma once

#include <exception>
#include <string_view>

#include "base/result.h"

namespace hnx::coordinator {

// What happened to the transaction, beyond the Error that the caller sees.
struct PgFailure {
  Error error;
  // The server rolled it back because of others (deadlock, serialization): run it again.
  bool rolled_back = false;
  // The connection is of no use any more.
  bool connection_lost = false;
};

// Of the exception being handled; call it inside a catch block. `what` names the operation.
PgFailure CurrentPgFailure(std::string_view what);

}  // namespace hnx::coordinator
