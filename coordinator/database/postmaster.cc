#include "coordinator/database/postmaster.h"

#include <charconv>
#include <csignal>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"

namespace hnx::coordinator {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr milliseconds kReadyPollInterval{20};
constexpr const char* kSocketName = ".s.PGSQL.5432";

// The lines of postmaster.pid: pid, data directory, start time, port, socket directory, listen
// address, shared memory, status.
struct PidFile {
  pid_t pid = 0;
  std::string socket_directory;
  std::string status;
};

std::optional<PidFile> ParsePidFile(const std::string& text) {
  constexpr std::size_t kPidLine = 0;
  constexpr std::size_t kSocketLine = 4;
  constexpr std::size_t kStatusLine = 7;
  std::vector<std::string> lines;
  std::istringstream input(text);
  for (std::string line; std::getline(input, line);) {
    lines.push_back(line.substr(0, line.find_last_not_of(' ') + 1));
  }
  PidFile file;
  if (lines.empty() ||
      std::from_chars(lines[kPidLine].data(), lines[kPidLine].data() + lines[kPidLine].size(),
                      file.pid)
              .ec != std::errc() ||
      file.pid <= 0) {
    return std::nullopt;
  }
  file.socket_directory = lines.size() > kSocketLine ? lines[kSocketLine] : "";
  file.status = lines.size() > kStatusLine ? lines[kStatusLine] : "";
  return file;
}

bool AcceptsConnections(const fs::path& socket_directory) {
  const std::string path = (socket_directory / kSocketName).string();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return false;
  }
  path.copy(address.sun_path, path.size());
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return socket.valid() &&
         ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

Result<fs::path> MakeSocketDirectory(const PostmasterSettings& settings) {
  std::string path = (settings.socket_root / "hnx-pg-XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr) {
    return Errno("make a directory for PostgreSQL's socket in", settings.socket_root.string());
  }
  if (settings.user.change_user &&
      ::chown(path.c_str(), settings.user.ids.uid, settings.user.ids.gid) != 0) {
    return Errno("chown", path);
  }
  return fs::path(path);
}

// A directory that an earlier server used, if it is still what we made; /tmp may be swept.
bool IsUsable(const fs::path& directory, const ServerUser& user) {
  struct stat info {};
  return !directory.empty() && ::lstat(directory.c_str(), &info) == 0 && S_ISDIR(info.st_mode) &&
         info.st_uid == user.ids.uid && (info.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

// The server's program in the cluster, as its user.
ChildSpec ProgramSpec(const ClusterDirectory& cluster, const PostmasterSettings& settings,
                      std::vector<std::string> options) {
  ChildSpec spec;
  spec.arguments = std::move(options);
  spec.arguments.insert(spec.arguments.begin(),
                        (settings.binaries.directory / "postgres").string());
  spec.arguments.insert(spec.arguments.end(), {"-D", cluster.path_for_server()});
  spec.environment = {"PATH=/usr/bin:/bin", "LC_ALL=C"};
  spec.inherited_fds = {cluster.fd()};
  if (settings.user.change_user) {
    spec.run_as = settings.user.ids;
  }
  return spec;
}

// Takes a fraction of pglz's time, where the server was built with it.
const char* WalCompression(const ClusterDirectory& cluster, const PostmasterSettings& settings) {
  constexpr const char* kLz4 = "wal_compression=lz4";
  // -C comes first: otherwise root is sent away.
  const auto asked =
      RunChild(ProgramSpec(cluster, settings, {"-C", "wal_compression", "-c", kLz4}));
  return asked && asked->status == 0 ? kLz4 : "wal_compression=on";
}

ChildSpec ServerSpec(const ClusterDirectory& cluster, const PostmasterSettings& settings,
                     const fs::path& socket_directory, int log_fd) {
  ChildSpec spec = ProgramSpec(cluster, settings, {"-k", socket_directory.string()});
  for (const char* setting :
       {"listen_addresses=", "port=5432", "unix_socket_permissions=0700",
        // What was told to anyone is on the disk (rule 5).
        "fsync=on", "synchronous_commit=on", "full_page_writes=on",
        // A guest on the machine: the workers need its memory more.
        "shared_buffers=128MB", "work_mem=16MB", "maintenance_work_mem=64MB", "max_connections=60",
        "max_parallel_workers_per_gather=0", "jit=off", WalCompression(cluster, settings),
        "max_wal_size=1GB", "checkpoint_timeout=10min", "autovacuum_naptime=10s",
        "log_min_messages=warning", "log_checkpoints=off", "log_line_prefix=%m [%p] ",
        "logging_collector=off", "cluster_name=hypercore-nixos"}) {
    spec.arguments.emplace_back("-c");
    spec.arguments.emplace_back(setting);
  }
  spec.output_fd = log_fd;
  spec.new_session = true;
  return spec;
}

// Until postmaster.pid says "ready". False: it ended before.
Result<bool> WaitUntilReady(const ClusterDirectory& cluster, const ProcessHandle& process,
                            milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (std::chrono::steady_clock::now() < deadline) {
    if (process.WaitFor(kReadyPollInterval)) {
      return false;
    }
    const auto file = ParsePidFile(cluster.ReadPidFile());
    if (file && file->pid == process.pid() && file->status == "ready") {
      return true;
    }
  }
  return Error{ErrorCode::kDeadlineExceeded,
               fmt::format("start PostgreSQL: not ready after {} s; its log ends with: {}",
                           timeout.count() / 1000, cluster.LogTail())};
}

// A killed server's lock files name a process that the next server takes for alive when its number
// belongs to somebody else by now, or to a zombie that nobody reaps, as in containers without init.
// Where none of ours works in the cluster any more, they mean nothing.
Result<void> RemoveStaleLocks(const ClusterDirectory& cluster, const fs::path& socket_directory) {
  constexpr milliseconds kWait{30'000};
  const auto deadline = std::chrono::steady_clock::now() + kWait;
  while (cluster.HasProcesses()) {
    if (std::chrono::steady_clock::now() >= deadline) {
      return FailedPrecondition(
          "start PostgreSQL: processes of an earlier server still work in its data directory; end "
          "them first");
    }
    (void)::poll(nullptr, 0, static_cast<int>(kReadyPollInterval.count()));
  }
  cluster.RemovePidFile();
  std::error_code error;
  fs::remove(socket_directory / kSocketName, error);
  fs::remove(socket_directory / (std::string(kSocketName) + ".lock"), error);
  return {};
}

void EndServer(const ProcessHandle& process, milliseconds stop_timeout) {
  constexpr milliseconds kImmediateTimeout{10'000};
  (void)process.Signal(SIGINT);
  if (process.WaitFor(stop_timeout)) {
    return;
  }
  Log("postgres")->warn("fast shutdown took too long; stopping immediately");
  (void)process.Signal(SIGQUIT);
  if (!process.WaitFor(kImmediateTimeout)) {
    (void)process.Signal(SIGKILL);
    (void)process.WaitFor(milliseconds(-1));
  }
}

}  // namespace

Result<std::optional<Postmaster>> Postmaster::Adopt(const ClusterDirectory& cluster,
                                                    const PostmasterSettings& settings) {
  const auto file = ParsePidFile(cluster.ReadPidFile());
  if (!file) {
    return std::optional<Postmaster>();
  }
  auto process = ProcessHandle::Open(file->pid);
  if (!process || !cluster.IsWorkingDirectoryOf(file->pid)) {
    return std::optional<Postmaster>();
  }
  if (AcceptsConnections(file->socket_directory)) {
    Log("postgres")
        ->info("took over the PostgreSQL that an earlier coordinator left running, pid {}",
               file->pid);
    return std::optional(Postmaster(*std::move(process), file->socket_directory, false));
  }
  Log("postgres")
      ->warn(
          "the PostgreSQL left running by an earlier coordinator (pid {}) has lost "
          "its socket {}; starting another",
          file->pid, file->socket_directory);
  EndServer(*process, settings.stop_timeout);
  return std::optional<Postmaster>();
}

fs::path Postmaster::RecordedSocketDirectory(const ClusterDirectory& cluster) {
  const auto file = ParsePidFile(cluster.ReadPidFile());
  return file ? fs::path(file->socket_directory) : fs::path();
}

Result<Postmaster> Postmaster::Start(const ClusterDirectory& cluster,
                                     const PostmasterSettings& settings,
                                     const fs::path& socket_directory) {
  fs::path socket = socket_directory;
  if (!IsUsable(socket, settings.user)) {
    HNX_ASSIGN_OR_RETURN(socket, MakeSocketDirectory(settings));
  }
  HNX_TRY(RemoveStaleLocks(cluster, socket));
  HNX_ASSIGN_OR_RETURN(const UniqueFd log, cluster.OpenLog());
  HNX_ASSIGN_OR_RETURN(ProcessHandle process,
                       StartChild(ServerSpec(cluster, settings, socket, log.get())));
  const auto ready = WaitUntilReady(cluster, process, settings.start_timeout);
  if (ready && *ready) {
    return Postmaster(std::move(process), std::move(socket), true);
  }
  if (!ready) {
    EndServer(process, settings.stop_timeout);
  }
  (void)hnx::coordinator::Reap(process.pid());
  HNX_TRY(ready);
  return FailedPrecondition(
      fmt::format("start PostgreSQL: it ended at once; its log ends with: {}", cluster.LogTail()));
}

void Postmaster::Stop(const PostmasterSettings& settings) {
  EndServer(process_, settings.stop_timeout);
  Reap();
  std::error_code error;
  fs::remove_all(socket_directory_, error);
}

void Postmaster::Reap() {
  if (is_child_) {
    (void)hnx::coordinator::Reap(process_.pid());
  }
}

}  // namespace hnx::coordinator
