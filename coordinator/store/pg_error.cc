#include "coordinator/store/pg_error.h"

#include <new>
#include <string>

#include <pqxx/pqxx>

namespace hnx::coordinator {
namespace {

// Messages of the server end with a newline and may carry a LINE/CONTEXT part; one line is enough.
std::string FirstLine(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

PgFailure Failure(ErrorCode code, std::string_view what, std::string_view why) {
  return {.error = {code, std::string(what) + ": " + FirstLine(why)}};
}

// libpq quotes what it cannot read of a connection string, which may be the password, or a part of
// it that it takes for a host or a port, and may hold quotes itself. What a server was asked and
// answered is told as it is.
std::string WithoutConnectionString(std::string text) {
  const std::size_t begin = text.find('"');
  if (begin != std::string::npos && !text.starts_with("connection to server")) {
    text.replace(begin, text.rfind('"') + 1 - begin, "\"...\"");
  }
  return text;
}

PgFailure ConnectionLost(std::string_view what, std::string_view why) {
  PgFailure failure =
      Failure(ErrorCode::kUnavailable, what,
              "connection to PostgreSQL: " + WithoutConnectionString(FirstLine(why)));
  failure.connection_lost = true;
  return failure;
}

PgFailure FromSqlState(std::string_view what, const pqxx::sql_error& error) {
  const std::string state = error.sqlstate();
  const std::string_view state_class = std::string_view(state).substr(0, 2);
  if (state == "40001" || state == "40P01" || state == "55P03") {  // the last: lock timeout
    PgFailure failure = Failure(ErrorCode::kUnavailable, what, error.what());
    failure.rolled_back = true;
    return failure;
  }
  if (state_class == "57" || state_class == "08") {  // shutdown, crash, recovery, cancelled
    return ConnectionLost(what, error.what());
  }
  if (state_class == "53") {  // disk full, out of memory, too many connections
    return Failure(ErrorCode::kResourceExhausted, what, error.what());
  }
  if (state == "23505") {
    return Failure(ErrorCode::kAlreadyExists, what, error.what());
  }
  return Failure(ErrorCode::kInternal, what, std::string(error.what()) + " [" + state + "]");
}

}  // namespace

PgFailure CurrentPgFailure(std::string_view what) {
  try {
    throw;
  } catch (const pqxx::too_many_connections& error) {
    return ConnectionLost(what, error.what());
  } catch (const pqxx::broken_connection& error) {
    return ConnectionLost(what, error.what());
  } catch (const pqxx::in_doubt_error& error) {
    return ConnectionLost(what, std::string("unknown whether it was committed: ") + error.what());
  } catch (const pqxx::transaction_rollback& error) {
    PgFailure failure = Failure(ErrorCode::kUnavailable, what, error.what());
    failure.rolled_back = true;
    return failure;
  } catch (const pqxx::sql_error& error) {
    return FromSqlState(what, error);
  } catch (const pqxx::failure& error) {
    return ConnectionLost(what, error.what());
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    return Failure(ErrorCode::kInternal, what, error.what());
  }
}

}  // namespace hnx::coordinator
