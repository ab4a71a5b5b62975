// What `coordinator doctor` asks a database, without changing anything in it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "coordinator/store/pg_pool.h"

namespace hnx::coordinator {

struct ServerFacts {
  std::string version;
  int major = 0;
  bool read_only = false;  // a standby, or told to be
  std::int64_t now_ms = 0;
  std::string role;
  std::string database;
  bool may_create = false;  // tables
  bool may_write = false;   // the tables that are there
};

// kUnavailable and others: what PostgreSQL, or the way to it, says.
Result<ServerFacts> LookAtServer(PgPool& pool);

// The hash part of a path whose narinfo is from that upstream; nothing: there is none.
Result<std::optional<std::string>> PathFromUpstream(PgPool& pool, const std::string& upstream);

}  // namespace hnx::coordinator
