#include "worker/doctor.h"

#include <cerrno>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include "access/access_checks.h"
#include "base/file.h"
#include "cli/checkup.h"
#include "cli/host_checks.h"
#include "cli/option.h"
#include "doctor/coordinator_checks.h"
#include "doctor/port_checks.h"
#include "worker/index_key.h"

namespace hnx::worker {
namespace {

// True: a worker runs on it.
bool CheckLock(cli::Checkup& checkup, const std::filesystem::path& data) {
  const std::filesystem::path path = data / "lock";
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    checkup.Ok("data", fmt::format("no worker runs on {}", data.string()));
    return false;
  }
  const auto lock = OpenFile(path, O_RDWR);
  if (!lock.has_value()) {
    checkup.Fault("data", lock.error().message, "give the folder and what is in it to this user");
    return false;
  }
  if (::flock(lock->get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    checkup.Warn(
        "data", fmt::format("a worker runs on {}", data.string()),
        "nothing, if it is the one that is asked about; a second one needs another --data");
    return true;
  }
  checkup.Ok("data", fmt::format("no worker runs on {}", data.string()));
  return false;
}

void CheckIndexKey(cli::Checkup& checkup, const WorkerOptions& options) {
  if (!options.role_index) {
    return;
  }
  const auto key = ReadIndexKeyFile(options.index_key_file);
  if (!key.has_value()) {
    checkup.Fault("index-key", key.error().message,
                  fmt::format("restore the key from its backup, and `chmod 600` it; only a new "
                              "mirror gets a new one (`worker create-index-key {}`)",
                              options.index_key_file));
    return;
  }
  const auto mirror = MirrorKeyOf(*key);
  if (!mirror.has_value()) {
    checkup.Fault("index-key", mirror.error().message, "restore the key from its backup");
    return;
  }
  checkup.Ok("index-key",
             fmt::format("{} is the key of mirror {}", options.index_key_file, mirror->id()));
}

}  // namespace

void AddDoctorOptions(CLI::App& command, DoctorOptions& options) {
  AddWorkerOptions(command, options.run);
  cli::AddFlag(command, "--json", options.json, "Print JSON");
}

cli::ExitCode RunDoctor(DoctorOptions options) {
  if (const auto complete = Complete(&options.run); !complete.has_value()) {
    std::cerr << "worker doctor: " << complete.error().message << '\n';
    return cli::ExitCode::kUsage;
  }
  cli::Checkup checkup;
  cli::CheckFolder(checkup, {options.run.data, "--data"},
                   {options.run.disk_reserve, "--disk-reserve"});
  const std::string holder = CheckLock(checkup, options.run.data) ? "a worker" : "";
  CheckIndexKey(checkup, options.run);
  std::vector<access::Role> roles;
  if (options.run.role_mirror) {
    roles.push_back(access::Role::kWorker);
  }
  if (options.run.role_index) {
    roles.push_back(access::Role::kIndex);
  }
  access::CheckClient(checkup, options.run.access, roles, Clock::Real());
  doctor::CheckCoordinators(checkup, options.run.endpoints, options.run.access);
  doctor::CheckPort(checkup, "listen-peers", options.run.peers.listen, holder);
  doctor::CheckPort(checkup, "listen-metrics", options.run.listen_metrics, holder);
  return checkup.Tell(std::cout, options.json);
}

}  // namespace hnx::worker
