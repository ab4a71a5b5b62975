#include "coordinator/database/cluster_directory.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

namespace hnx::coordinator {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kPrivate = 0700;
constexpr unsigned kPrivateFile = 0600;
constexpr std::size_t kSmallFileMax = 64 * 1024;

std::string ReadSmallFileAt(int directory, const char* name) {
  const UniqueFd file(::openat(directory, name, O_RDONLY | O_CLOEXEC));
  if (!file.valid()) {
    return {};
  }
  std::string text(kSmallFileMax, '\0');
  const auto got = ReadUpToAt(file.get(), 0, std::as_writable_bytes(std::span(text)));
  text.resize(got.value_or(0));
  return text;
}

Result<void> MakeDirectory(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) {
    return FailedPrecondition(fmt::format("make {}: {}", directory.string(), error.message()));
  }
  return {};
}

}  // namespace

Result<ClusterDirectory> ClusterDirectory::Open(const fs::path& directory) {
  HNX_TRY(MakeDirectory(directory));
  if (::chmod(directory.c_str(), kPrivate) != 0) {
    return Errno("chmod", directory.string());
  }
  HNX_ASSIGN_OR_RETURN(UniqueFd lock, OpenFile(directory / "lock", O_RDWR | O_CREAT, kPrivateFile));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return FailedPrecondition(
        fmt::format("lock {}: another coordinator runs with this data directory; stop it first",
                    (directory / "lock").string()));
  }
  ClusterDirectory cluster(directory, std::move(lock));
  std::error_code error;
  fs::remove_all(directory / "cluster.new", error);
  if (error) {
    return FailedPrecondition(
        fmt::format("remove {}: {}", (directory / "cluster.new").string(), error.message()));
  }
  if (fs::exists(directory / "cluster", error)) {
    HNX_TRY(cluster.OpenCluster());
  }
  return cluster;
}

Result<void> ClusterDirectory::OpenCluster() {
  HNX_ASSIGN_OR_RETURN(fd_, OpenFile(directory_ / "cluster", O_RDONLY | O_DIRECTORY));
  return {};
}

std::optional<UserIds> ClusterDirectory::owner() const {
  struct stat info {};
  if (!exists() || ::fstat(fd_.get(), &info) != 0) {
    return std::nullopt;
  }
  return UserIds{info.st_uid, info.st_gid};
}

std::optional<int> ClusterDirectory::major_version() const {
  if (!exists()) {
    return std::nullopt;
  }
  const std::string text = ReadSmallFileAt(fd_.get(), "PG_VERSION");
  int major = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), major);
  return parsed.ec == std::errc() ? std::optional(major) : std::nullopt;
}

Result<void> ClusterDirectory::Create(const PostgresBinaries& binaries, const ServerUser& user) {
  const fs::path fresh = directory_ / "cluster.new";
  HNX_TRY(MakeDirectory(fresh));
  if (::chmod(fresh.c_str(), kPrivate) != 0) {
    return Errno("chmod", fresh.string());
  }
  if (user.change_user && ::chown(fresh.c_str(), user.ids.uid, user.ids.gid) != 0) {
    return Errno("chown", fresh.string());
  }
  HNX_TRY(RunInitdb(binaries, user, fresh));
  if (::rename(fresh.c_str(), (directory_ / "cluster").c_str()) != 0) {
    return Errno("rename", fresh.string());
  }
  HNX_TRY(SyncDirectory(directory_));
  return OpenCluster();
}

Result<void> ClusterDirectory::RunInitdb(const PostgresBinaries& binaries, const ServerUser& user,
                                         const fs::path& fresh) const {
  HNX_ASSIGN_OR_RETURN(const UniqueFd open, OpenFile(fresh, O_RDONLY | O_DIRECTORY));
  ChildSpec spec;
  spec.arguments = {(binaries.directory / "initdb").string(),
                    "--pgdata=/proc/self/fd/" + std::to_string(open.get()),
                    "--username=hnx",
                    "--auth=trust",
                    "--encoding=UTF8",
                    "--locale=C",
                    "--no-instructions"};
  spec.environment = {"PATH=/usr/bin:/bin", "LC_ALL=C"};
  spec.inherited_fds = {open.get()};
  if (user.change_user) {
    spec.run_as = user.ids;
  }
  Result<ChildResult> result = RunChild(spec);
  if (!user.has_name && (!result || result->status != 0)) {
    result = RunForNamelessUser(spec, user.ids, directory_.string());
  }
  HNX_TRY(result);
  if (result->status != 0) {
    return FailedPrecondition(
        fmt::format("make a PostgreSQL cluster in {}: initdb exited with {}: {}",
                    directory_.string(), result->status, result->output));
  }
  return {};
}

std::string ClusterDirectory::path_for_server() const {
  return "/proc/self/fd/" + std::to_string(fd_.get());
}

std::string ClusterDirectory::ReadPidFile() const {
  return ReadSmallFileAt(fd_.get(), "postmaster.pid");
}

void ClusterDirectory::RemovePidFile() const {
  (void)::unlinkat(fd_.get(), "postmaster.pid", 0);
}

bool ClusterDirectory::IsWorkingDirectoryOf(pid_t pid) const {
  struct stat theirs {};
  struct stat ours {};
  const std::string link = fmt::format("/proc/{}/cwd", pid);
  return ::stat(link.c_str(), &theirs) == 0 && ::fstat(fd_.get(), &ours) == 0 &&
         theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

bool ClusterDirectory::HasProcesses() const {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename().string();
    pid_t pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ec == std::errc() && IsWorkingDirectoryOf(pid)) {
      return true;
    }
  }
  return false;
}

Result<UniqueFd> ClusterDirectory::OpenLog() const {
  const fs::path path = directory_ / "log";
  HNX_ASSIGN_OR_RETURN(UniqueFd log, OpenFile(path, O_RDWR | O_CREAT | O_APPEND, kPrivateFile));
  HNX_ASSIGN_OR_RETURN(const std::uint64_t size, FileSize(log.get()));
  if (size > kLogBytesMax && ::ftruncate(log.get(), 0) != 0) {
    return Errno("truncate", path.string());
  }
  return log;
}

std::string ClusterDirectory::LogTail() const {
  constexpr std::uint64_t kTailBytes = 2000;
  const auto log = OpenFile(directory_ / "log", O_RDONLY);
  if (!log) {
    return {};
  }
  const std::uint64_t size = FileSize(log->get()).value_or(0);
  std::string tail(std::min(size, kTailBytes), '\0');
  const auto got =
      ReadUpToAt(log->get(), size - tail.size(), std::as_writable_bytes(std::span(tail)));
  tail.resize(got.value_or(0));
  return tail;
}

}  // namespace hnx::coordinator
