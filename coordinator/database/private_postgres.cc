#include "coordinator/database/private_postgres.h"

#include <optional>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

namespace hnx::coordinator {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

// As short as it can be; the runtime directory is swept when the user logs out, so root, whose
// servers have no login, does not use it.
fs::path DefaultSocketRoot() {
  const fs::path runtime = "/run/user/" + std::to_string(::geteuid());
  struct stat info {};
  const bool usable = ::geteuid() != 0 && ::stat(runtime.c_str(), &info) == 0 &&
                      S_ISDIR(info.st_mode) && info.st_uid == ::geteuid();
  return usable ? runtime : fs::path("/tmp");
}

}  // namespace

// Starts the server again when it dies. Owns everything, so that it ends with its thread.
class PrivatePostgres::Supervisor final : public LoopService {
 public:
  Supervisor(ClusterDirectory cluster, PostmasterSettings settings, Postmaster postmaster)
      : LoopService("postgres-watch"),
        cluster_(std::move(cluster)),
        settings_(std::move(settings)),
        socket_directory_(postmaster.socket_directory()),
        pid_(postmaster.process().pid()),
        postmaster_(std::move(postmaster)) {}
  ~Supervisor() override { StopServer(); }

  milliseconds RunOnce() override {
    constexpr milliseconds kWatchInterval{200};
    constexpr milliseconds kRestartPause{2'000};
    if (postmaster_ && !postmaster_->process().WaitFor(milliseconds(0))) {
      return kWatchInterval;
    }
    if (postmaster_) {
      Log("postgres")
          ->error("PostgreSQL (pid {}) has ended; starting it again", postmaster_->process().pid());
      postmaster_->Reap();
      postmaster_.reset();
    }
    auto started = Postmaster::Start(cluster_, settings_, socket_directory_);
    if (!started) {
      Log("postgres")->error("{}", started.error().message);
      return kRestartPause;
    }
    if (started->socket_directory() != socket_directory_) {
      // Nobody would find it there.
      Log("postgres")
          ->error("the socket directory {} is gone; restart the coordinator",
                  socket_directory_.string());
      started->Stop(settings_);
      return kRestartPause;
    }
    MutexLock lock(mutex_);
    pid_ = started->process().pid();
    postmaster_.emplace(*std::move(started));
    return kWatchInterval;
  }

  void StopServer() {
    LoopService::Stop();
    if (postmaster_) {
      postmaster_->Stop(settings_);
      postmaster_.reset();
    }
  }

  pid_t pid() const {
    MutexLock lock(mutex_);
    return pid_;
  }

 private:
  const ClusterDirectory cluster_;
  const PostmasterSettings settings_;
  const fs::path socket_directory_;
  mutable Mutex mutex_;
  pid_t pid_ HNX_GUARDED_BY(mutex_);
  std::optional<Postmaster> postmaster_;  // the loop's, and StopServer's after its end
};

Result<std::unique_ptr<PrivatePostgres>> PrivatePostgres::Start(
    const PrivatePostgresOptions& options) {
  HNX_ASSIGN_OR_RETURN(ClusterDirectory cluster, ClusterDirectory::Open(options.directory));
  PostmasterSettings settings;
  HNX_ASSIGN_OR_RETURN(settings.user, ChooseServerUser(cluster.owner()));
  settings.socket_root = options.socket_root.empty() ? DefaultSocketRoot() : options.socket_root;
  const auto directories =
      options.binary_directories.empty() ? SearchPath() : options.binary_directories;
  HNX_ASSIGN_OR_RETURN(settings.binaries,
                       FindPostgresBinaries(directories, cluster.major_version()));
  if (!cluster.exists()) {
    Log("postgres")
        ->info("making a private PostgreSQL {} in {}", settings.binaries.major_version,
               options.directory.string());
    HNX_TRY(cluster.Create(settings.binaries, settings.user));
  }
  const fs::path socket_directory = Postmaster::RecordedSocketDirectory(cluster);
  HNX_ASSIGN_OR_RETURN(std::optional<Postmaster> postmaster, Postmaster::Adopt(cluster, settings));
  if (!postmaster) {
    HNX_ASSIGN_OR_RETURN(Postmaster started,
                         Postmaster::Start(cluster, settings, socket_directory));
    postmaster.emplace(std::move(started));
  }
  return std::unique_ptr<PrivatePostgres>(
      new PrivatePostgres(std::move(cluster), std::move(settings), *std::move(postmaster)));
}

PrivatePostgres::PrivatePostgres(ClusterDirectory cluster, PostmasterSettings settings,
                                 Postmaster postmaster)
    : adopted_(postmaster.adopted()),
      connection_string_(fmt::format("host={} port=5432 user=hnx dbname=postgres",
                                     postmaster.socket_directory().string())),
      supervisor_(std::make_unique<Supervisor>(std::move(cluster), std::move(settings),
                                               std::move(postmaster))) {
  supervisor_->Start();
}

PrivatePostgres::~PrivatePostgres() {
  Stop();
}

pid_t PrivatePostgres::server_pid() const {
  return supervisor_->pid();
}

void PrivatePostgres::Stop() {
  supervisor_->StopServer();
}

}  // namespace hnx::coordinator
