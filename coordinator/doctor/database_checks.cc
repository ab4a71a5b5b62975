#include "coordinator/doctor/database_checks.h"

#include <chrono>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>

#include "cli/units.h"
#include "coordinator/database/postgres_binaries.h"
#include "coordinator/store/pg_checkup.h"
#include "coordinator/store/pg_migrations.h"
#include "coordinator/store/pg_release_store.h"
#include "coordinator/store/pg_rescan_store.h"

namespace hnx::coordinator {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kClockWarning{2'000};
constexpr milliseconds kClockFault{60'000};

// libpq tells why a connection was refused in words only; where the server speaks another language
// the remedy is the last one.
std::string ConnectionRemedy(std::string_view message) {
  const auto says = [message](std::string_view words) {
    return message.find(words) != std::string_view::npos;
  };
  if (says("password authentication failed") || says("no password supplied")) {
    return "correct the user or password in --database (or PGPASSFILE), or set it: ALTER ROLE ... "
           "PASSWORD";
  }
  if (says("role \"")) {
    return "make the role (createuser), or name another one in --database";
  }
  if (says("database \"")) {
    return "make the database (createdb), or name another one in --database";
  }
  if (says("could not translate host name") || says("Name or service not known")) {
    return "correct the host in --database, or see /etc/resolv.conf: its name is not resolved";
  }
  if (says("no pg_hba.conf entry")) {
    return "allow this machine, user and database in the server's pg_hba.conf";
  }
  if (says("Connection refused") || says("No such file or directory")) {
    return "start PostgreSQL, or correct host and port in --database: nothing listens there";
  }
  if (says("timeout expired")) {
    return "see the network and firewalls between here and the database: nobody answered";
  }
  return "see that PostgreSQL runs and that --database (postgresql://USER@HOST/NAME) is right";
}

bool CheckServer(cli::Checkup& checkup, const ServerFacts& server) {
  const std::string named = fmt::format("PostgreSQL {}, database {}, role {}", server.version,
                                        server.database, server.role);
  if (server.major < kPostgresMajorMin) {
    checkup.Fault("database", named, fmt::format("use PostgreSQL {} or newer", kPostgresMajorMin));
    return false;
  }
  if (server.read_only) {
    checkup.Fault("database", named + ": it takes no writes",
                  "name the primary in --database (several hosts and "
                  "target_session_attrs=read-write do it), or end read-only mode");
    return false;
  }
  if (!server.may_write) {
    checkup.Fault("database", named + ": the role may not write the mirror's tables",
                  "use the role that owns them, or GRANT it ALL on all tables and sequences");
    return false;
  }
  checkup.Ok("database", named);
  return true;
}

void CheckDatabaseClock(cli::Checkup& checkup, const ServerFacts& server, const Clock& clock) {
  const auto here = clock.Wall().time_since_epoch();
  const milliseconds apart(std::llabs(server.now_ms - here.count()));
  const std::string what = fmt::format(
      "the clocks of the database and of this machine differ by {}", cli::FormatDuration(apart));
  const std::string remedy = "have both machines set their clocks by NTP (timedatectl)";
  if (apart > kClockFault) {
    checkup.Fault("database-clock", what, remedy);
  } else if (apart > kClockWarning) {
    checkup.Warn("database-clock", what, remedy);
  } else {
    checkup.Ok("database-clock", what);
  }
}

// True: it is this program's.
bool CheckSchema(cli::Checkup& checkup, const std::string& uri, const ServerFacts& server,
                 bool no_migrate) {
  const auto plan = PlanMigrations(uri);
  if (!plan.has_value()) {
    checkup.Fault("schema", plan.error().message,
                  "run the newer coordinator, or restore a backup from before it "
                  "(docs/RECOVERY.md): there is no way down");
    return false;
  }
  if (plan->pending.empty()) {
    checkup.Ok("schema", fmt::format("version {}, as this program wants it", plan->newest));
    return true;
  }
  if (!server.may_create) {
    checkup.Fault("schema",
                  fmt::format("it lacks {}, and role {} may not make tables", plan->pending.front(),
                              server.role),
                  fmt::format("GRANT CREATE ON SCHEMA public TO {}", server.role));
    return false;
  }
  if (plan->current == 0 && !no_migrate) {
    checkup.Ok("schema", "the database is empty; `coordinator serve` makes the schema");
    return false;
  }
  const std::string what = fmt::format(
      "it is older than this program: it lacks {}{}", plan->pending.front(),
      plan->pending.size() == 1 ? "" : fmt::format(" and {} more", plan->pending.size() - 1));
  if (no_migrate) {
    checkup.Fault("schema", what, "run `coordinator migrate`, or serve without --no-migrate");
  } else {
    checkup.Warn("schema", what, "run `coordinator migrate`; `coordinator serve` does it too");
  }
  return false;
}

void CheckWorkers(cli::Checkup& checkup, PgPool& pool) {
  if (const auto rescan = PgRescanStore::CheckFinished(pool); !rescan.has_value()) {
    checkup.Fault("rescan", rescan.error().message,
                  "run the same `coordinator rescan` again: it goes on where it ended");
  }
  const auto status = PgReleaseStore(pool).GetStatus();
  if (!status.has_value()) {
    checkup.Fault("workers", status.error().message, "see the database's log");
    return;
  }
  int mirrors = 0;
  int indexes = 0;
  std::string full;
  for (const WorkerView& worker : status->workers) {
    if (!worker.alive) {
      continue;
    }
    for (const std::string& role : worker.roles) {
      ++(role == "index" ? indexes : mirrors);
    }
    full += worker.disk_full ? " " + worker.name : "";
  }
  if (mirrors == 0 || indexes == 0) {
    checkup.Warn("workers",
                 fmt::format("no worker with the role {} calls", mirrors == 0 ? "mirror" : "index"),
                 "start one: `worker run --role mirror,index`; `worker doctor` tells what keeps it "
                 "from calling");
  } else if (!full.empty()) {
    checkup.Warn("workers", "without room:" + full,
                 "make room there, or start another worker with the role mirror");
  } else {
    checkup.Ok("workers", fmt::format("{} with the role mirror, {} with the role index call",
                                      mirrors, indexes));
  }
}

// A server that does not answer is not waited for without end.
std::string WithTimeout(const std::string& uri) {
  if (uri.starts_with("postgres://") || uri.starts_with("postgresql://")) {
    return uri + (uri.find('?') == std::string::npos ? "?" : "&") + "connect_timeout=10";
  }
  return uri + " connect_timeout=10";
}

}  // namespace

bool CheckDatabase(cli::Checkup& checkup, const std::string& uri, bool no_migrate,
                   const Clock& clock) {
  const std::string impatient = WithTimeout(uri);
  PgPool pool(impatient, {.connections_max = 1});
  const auto server = LookAtServer(pool);
  if (!server.has_value()) {
    checkup.Fault("database", server.error().message, ConnectionRemedy(server.error().message));
    return false;
  }
  if (!CheckServer(checkup, *server)) {
    return false;
  }
  CheckDatabaseClock(checkup, *server, clock);
  if (!CheckSchema(checkup, impatient, *server, no_migrate)) {
    return false;
  }
  CheckWorkers(checkup, pool);
  return true;
}

}  // namespace hnx::coordinator
