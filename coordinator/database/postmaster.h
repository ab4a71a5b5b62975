// Postmaster: one running server of the private cluster, started by us or found running.
//
// Starting: the socket lies in a short directory of its own, since data directories may have long
// names and a socket's may not; no TCP. Adopting: a server that outlived a killed coordinator is
// recognised by postmaster.pid and by working in our cluster directory, and is used on.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "base/result.h"
#include "coordinator/database/child_process.h"
#include "coordinator/database/cluster_directory.h"
#include "coordinator/database/postgres_binaries.h"
#include "coordinator/database/server_user.h"

namespace hnx::coordinator {

struct PostmasterSettings {
  PostgresBinaries binaries;
  ServerUser user;
  // Where the socket's directory is made: short.
  std::filesystem::path socket_root = "/tmp";
  // Recovery after a crash of the machine takes its time.
  std::chrono::milliseconds start_timeout{300'000};
  std::chrono::milliseconds stop_timeout{60'000};
};

class Postmaster {
 public:
  // The server that postmaster.pid names, if it runs, is ours and can be reached. One that cannot
  // be reached is stopped.
  static Result<std::optional<Postmaster>> Adopt(const ClusterDirectory& cluster,
                                                 const PostmasterSettings& settings);
  // What postmaster.pid names; empty when there is none. Asked before Adopt, which may stop it.
  static std::filesystem::path RecordedSocketDirectory(const ClusterDirectory& cluster);
  // `socket_directory`: of an earlier server, to be used again; empty: a new one is made.
  static Result<Postmaster> Start(const ClusterDirectory& cluster,
                                  const PostmasterSettings& settings,
                                  const std::filesystem::path& socket_directory);

  const ProcessHandle& process() const { return process_; }
  const std::filesystem::path& socket_directory() const { return socket_directory_; }
  bool adopted() const { return !is_child_; }

  // Fast shutdown, then immediate, then kill; done when it returns.
  void Stop(const PostmasterSettings& settings);
  // After its end: frees its entry in the process table.
  void Reap();

 private:
  Postmaster(ProcessHandle process, std::filesystem::path socket_directory, bool is_child)
      : process_(std::move(process)),
        socket_directory_(std::move(socket_directory)),
        is_child_(is_child) {}

  ProcessHandle process_;
  std::filesystem::path socket_directory_;
  bool is_child_;
};

}  // namespace hnx::coordinator
