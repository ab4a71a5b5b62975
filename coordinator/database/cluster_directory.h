// ClusterDirectory: the files of the private PostgreSQL below <data>/postgres:
//
//   lock       held while a coordinator runs: one per data directory
//   cluster/   PostgreSQL's own data directory; belongs to the server's user
//   cluster.new/   one that initdb had not finished; removed
//   log        what the server prints
//
// The server may run as a user that cannot enter the folders above. So it never gets their path: it
// inherits the open directory and is told /proc/self/fd/<n>, which needs no permission on the way.
// That also keeps its paths short, however long ours is.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/file.h"
#include "base/result.h"
#include "coordinator/database/child_process.h"
#include "coordinator/database/postgres_binaries.h"
#include "coordinator/database/server_user.h"

namespace hnx::coordinator {

class ClusterDirectory {
 public:
  // Makes the folder and takes the lock. kFailedPrecondition when another process holds it.
  static Result<ClusterDirectory> Open(const std::filesystem::path& directory);

  bool exists() const { return fd_.valid(); }
  // Of the cluster, when it exists.
  std::optional<UserIds> owner() const;
  std::optional<int> major_version() const;

  // Runs initdb. Atomic: a crash leaves none.
  Result<void> Create(const PostgresBinaries& binaries, const ServerUser& user);

  // The open cluster directory, to be inherited by the server, and its name for the server.
  int fd() const { return fd_.get(); }
  std::string path_for_server() const;
  // postmaster.pid as it stands; empty when there is none.
  std::string ReadPidFile() const;
  void RemovePidFile() const;
  // Whether a process works inside the cluster directory, as a postmaster does.
  bool IsWorkingDirectoryOf(pid_t pid) const;
  // Whether any does: backends live on for a moment when their postmaster was killed.
  bool HasProcesses() const;

  // Opens the log for appending; begins it anew when it has grown beyond kLogBytesMax.
  Result<UniqueFd> OpenLog() const;
  // Its last lines, for messages.
  std::string LogTail() const;

  static constexpr std::uint64_t kLogBytesMax = 16ULL * 1024 * 1024;

 private:
  ClusterDirectory(std::filesystem::path directory, UniqueFd lock)
      : directory_(std::move(directory)), lock_(std::move(lock)) {}
  Result<void> OpenCluster();
  Result<void> RunInitdb(const PostgresBinaries& binaries, const ServerUser& user,
                         const std::filesystem::path& fresh) const;

  std::filesystem::path directory_;
  UniqueFd lock_;
  UniqueFd fd_;
};

}  // namespace hnx::coordinator
