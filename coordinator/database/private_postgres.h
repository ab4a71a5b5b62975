// PrivatePostgres: the database of a coordinator that was given none. Lives in <data>/postgres,
// speaks over a Unix socket only, is stopped again with us, and is started again when it dies.
//
//   HNX_ASSIGN_OR_RETURN(auto postgres, PrivatePostgres::Start({.directory = data / "postgres"}));
//   pqxx::connection connection(postgres->connection_string());
//
// Works as root (the server then runs as the cluster's owner, or as user postgres), below folders
// that this user cannot enter, as a user without a name, with data directories of any length,
// beside the distribution's own cluster, and after a kill -9 that left the server running (which is
// then taken over). The server has a session of its own: Ctrl-C reaches only us, and we stop it
// when nothing uses it any more.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "base/service.h"
#include "coordinator/database/cluster_directory.h"
#include "coordinator/database/postmaster.h"

namespace hnx::coordinator {

struct PrivatePostgresOptions {
  std::filesystem::path directory;  // made if it does not exist
  // Further places to look for server programs, before the usual ones; default: PATH.
  std::vector<std::filesystem::path> binary_directories{};
  // Where the socket's directory is made. Empty: /run/user/<uid> if it is there, else /tmp.
  std::filesystem::path socket_root{};
};

class PrivatePostgres {
 public:
  // Blocks until the server takes connections.
  static Result<std::unique_ptr<PrivatePostgres>> Start(const PrivatePostgresOptions& options);
  // Stops, if Stop was not called.
  ~PrivatePostgres();
  PrivatePostgres(const PrivatePostgres&) = delete;
  PrivatePostgres& operator=(const PrivatePostgres&) = delete;

  // For libpq. The same for the whole life of this object, over restarts of the server.
  const std::string& connection_string() const { return connection_string_; }
  // Taken over from an earlier process rather than started.
  bool adopted() const { return adopted_; }
  pid_t server_pid() const;

  // Ends all connections and the server. Idempotent.
  void Stop();

 private:
  class Supervisor;
  PrivatePostgres(ClusterDirectory cluster, PostmasterSettings settings, Postmaster postmaster);

  bool adopted_ = false;
  std::string connection_string_;
  std::unique_ptr<Supervisor> supervisor_;
};

}  // namespace hnx::coordinator
