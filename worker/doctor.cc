#include "worker/doctor.h"

#include <cerrno>
#include <chrono>
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
#include "cli/json_text.h"
#include "cli/option.h"
#include "http/listen_socket.h"
#include "hypercore_nixos/v1/coordinator.grpc.pb.h"
#include "rpc/channel.h"
#include "worker/index_key.h"

namespace hnx::worker {
namespace {

namespace pb = hypercore_nixos::v1;

constexpr std::chrono::milliseconds kAnswerWithin{5'000};

void CheckCoordinators(cli::Checkup& checkup, const WorkerOptions& options) {
  const std::vector<std::string>& endpoints = options.endpoints;
  const auto credentials = rpc::ClientCredentials::Make(options.access, endpoints);
  if (!credentials.has_value()) {
    return;  // was told by CheckClient
  }
  std::vector<std::string> silent;
  std::string why;
  for (const std::string& endpoint : endpoints) {
    const auto stub = pb::Coordinator::NewStub(rpc::MakeChannel(endpoint, **credentials));
    const auto context = rpc::MakeContext(kAnswerWithin);
    pb::Status answer;
    const grpc::Status status = stub->GetStatus(context.get(), pb::GetStatusRequest(), &answer);
    // Let in and known as a worker, for whom this call is not.
    if (!status.ok() && status.error_code() != grpc::StatusCode::PERMISSION_DENIED) {
      silent.push_back(endpoint);
      why = status.error_message();
    }
  }
  const std::string remedy =
      "start `coordinator serve` there with a --listen that this machine reaches, correct "
      "--coordinator, see firewalls in between, or whether both sides speak TLS and believe each "
      "other's authority (docs/TLS.md)";
  if (silent.size() == endpoints.size()) {
    checkup.Fault("coordinator",
                  fmt::format("none answers at {} ({})", fmt::join(silent, ", "), why), remedy);
  } else if (!silent.empty()) {
    checkup.Warn("coordinator",
                 fmt::format("{} of {} do not answer: {} ({})", silent.size(), endpoints.size(),
                             fmt::join(silent, ", "), why),
                 remedy);
  } else {
    checkup.Ok("coordinator", fmt::format("{} answers", fmt::join(endpoints, ", ")));
  }
}

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

void CheckPort(cli::Checkup& checkup, const std::string& check, const std::string& address,
               bool worker_runs) {
  if (address.empty()) {
    return;
  }
  const auto where = http::ParseListenAddress(address);
  const auto socket = where.has_value() ? http::Listen(*where) : where.error();
  if (socket.has_value()) {
    checkup.Ok(check, fmt::format("{} is free", address));
  } else if (worker_runs && where.has_value()) {
    checkup.Ok(check, fmt::format("{} is in use, and a worker runs", address));
  } else {
    checkup.Fault(
        check, fmt::format("{}: {}", address, socket.error().message),
        fmt::format("end what holds the port (`ss -ltnp` names it), or give another --{}", check));
  }
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
  cli::CheckFolder(checkup, options.run.data, options.run.disk_reserve, "--disk-reserve");
  const bool runs = CheckLock(checkup, options.run.data);
  CheckIndexKey(checkup, options.run);
  std::vector<access::Role> roles;
  if (options.run.role_mirror) {
    roles.push_back(access::Role::kWorker);
  }
  if (options.run.role_index) {
    roles.push_back(access::Role::kIndex);
  }
  access::CheckClient(checkup, options.run.access, roles, Clock::Real());
  CheckCoordinators(checkup, options.run);
  CheckPort(checkup, "listen-peers", options.run.peers.listen, runs);
  CheckPort(checkup, "listen-metrics", options.run.listen_metrics, runs);
  if (options.json) {
    std::cout << cli::JsonLine(checkup.ToJson()) << '\n';
  } else {
    checkup.Print(std::cout);
  }
  return checkup.Exit();
}

}  // namespace hnx::worker
