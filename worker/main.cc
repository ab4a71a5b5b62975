// The program `worker`: leases NARs from a coordinator, verifies them and appends them to drives.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iostream>

#include <malloc.h>

#include "base/log.h"
#include "cli/core_dumps.h"
#include "cli/option.h"
#include "cli/program.h"
#include "cli/stop_signal.h"
#include "hyper/core/crypto.h"
#include "worker/doctor.h"
#include "worker/grace_period.h"
#include "worker/index_key.h"
#include "worker/worker.h"
#include "worker/worker_options.h"

namespace hnx::worker {
namespace {

// The pieces of NARs are large and short-lived: few arenas, so that freed ones are used again.
constexpr int kArenasMax = 2;
constexpr std::chrono::milliseconds kPollInterval{200};

constexpr std::array kRunExits{cli::ExitCode::kOk, cli::ExitCode::kFailure, cli::ExitCode::kUsage,
                               cli::ExitCode::kSuperseded};

cli::ExitCode Run(WorkerOptions options, cli::StopSignal& signal) {
  const Result<void> complete = Complete(&options);
  if (!complete.has_value()) {
    std::cerr << "worker: " << complete.error().message << '\n';
    return cli::ExitCode::kUsage;
  }
  if (!options.core_dumps) {
    cli::ForbidCoreDumps();
  }
  (void)::mallopt(M_ARENA_MAX, kArenasMax);
  enum class End { kNone, kSuperseded, kRefused };
  std::atomic<End> end{End::kNone};
  bool stopped_early = false;
  auto worker = Worker::Start(
      options,
      [&](EndReason reason, const std::string& message) {
        Log("worker")->error("{}", message);
        end = reason == EndReason::kSuperseded ? End::kSuperseded : End::kRefused;
      },
      [&] {
        return stopped_early = stopped_early || signal.WaitFor(std::chrono::milliseconds(0));
      });
  if (stopped_early) {
    return cli::ExitCode::kOk;
  }
  if (!worker.has_value()) {
    Log("worker")->error("{}", worker.error().message);
    return cli::ExitCode::kFailure;
  }
  while (end == End::kNone && !signal.WaitFor(kPollInterval)) {
  }
  if (end == End::kSuperseded) {
    // Another process owns this worker's drives now: not one more byte, not even on the way out.
    Log("worker")->error("a newer process of this worker runs; this one ends");
    std::_Exit(static_cast<int>(cli::ExitCode::kSuperseded));
  }
  {
    const GracePeriod grace(options.grace, [] {
      Log("worker")->error("did not end within --grace; what is not committed is lost");
      std::_Exit(static_cast<int>(cli::ExitCode::kFailure));
    });
    (*worker)->Stop(false);
    worker->reset();
  }
  return end == End::kNone ? cli::ExitCode::kOk : cli::ExitCode::kFailure;
}

cli::ExitCode CreateIndexKey(const std::string& file, const std::string& predecessor) {
  std::optional<hyper::DriveKey> replaced;
  if (!predecessor.empty()) {
    constexpr std::string_view kScheme = "hyper://";
    const std::string_view text = predecessor;
    const auto parsed =
        hyper::DriveKey::Parse(text.substr(text.starts_with(kScheme) ? kScheme.size() : 0));
    if (!parsed.has_value()) {
      std::cerr << "worker: --predecessor " << predecessor << ": " << parsed.error().message
                << '\n';
      return cli::ExitCode::kUsage;
    }
    replaced = *parsed;
  }
  const Result<void> made = CreateIndexKeyFile(file, replaced);
  if (!made.has_value()) {
    std::cerr << "worker: " << made.error().message << '\n';
    return cli::ExitCode::kFailure;
  }
  auto primary_key = ReadIndexKeyFile(file);
  const auto key = primary_key.has_value() ? MirrorKeyOf(*primary_key)
                                           : Result<hyper::DriveKey>(primary_key.error());
  if (primary_key.has_value()) {
    hyper::Wipe(*primary_key);
  }
  if (!key.has_value()) {
    std::cerr << "worker: " << key.error().message << '\n';
    return cli::ExitCode::kFailure;
  }
  std::cout
      << "Made " << file << ", the key that writes this mirror.\n"
      << "Keep a copy in a safe place off this machine: without it nobody can ever publish to "
         "the mirror again,\nand whoever has it can publish in its name.\n"
      << "The mirror's key will be\n  " << key->hex() << "\n  " << key->id() << '\n';
  return cli::ExitCode::kOk;
}

int Main(int argc, const char* const* argv) {
  cli::StopSignal signal;
  cli::Program program("worker", "Fetches, verifies and stores NARs in Hyperdrives.");
  WorkerOptions options;
  CLI::App& run = program.AddCommand(
      "run", "Run a worker", [&] { return Run(options, signal); },
      "worker run --data /var/lib/hnx-worker --coordinator 127.0.0.1:7070\n"
      "worker run --data DIR --role mirror,index --index-key-file mirror.key",
      kRunExits);
  AddWorkerOptions(run, options);
  DoctorOptions doctor_options;
  CLI::App& doctor = program.AddCommand(
      "doctor",
      "Find what keeps a worker from working, and say what to do. Exit code 1: a fault; 3: only\n"
      "warnings",
      [&] { return RunDoctor(doctor_options); },
      "worker doctor --data /var/lib/hnx-worker --coordinator 127.0.0.1:7070\n"
      "worker doctor --data DIR --role mirror,index --index-key-file mirror.key --json",
      cli::kCheckingExits);
  AddDoctorOptions(doctor, doctor_options);
  std::string key_file;
  std::string predecessor;
  CLI::App& create = program.AddCommand(
      "create-index-key", "Make the key of a new mirror's index drive",
      [&] { return CreateIndexKey(key_file, predecessor); },
      "worker create-index-key mirror.key\n"
      "worker create-index-key new.key --predecessor hyper://OLDKEY");
  create.add_option("file", key_file, "File to write; must not exist")->required();
  create.add_option("--predecessor", predecessor,
                    "Key of the mirror that the new one replaces, because nobody holds that any "
                    "more; /mirror.json names it");
  return program.Main(argc, argv);
}

}  // namespace
}  // namespace hnx::worker

int main(int argc, char** argv) {
  return hnx::worker::Main(argc, argv);
}
