// scale_fleet: many workers that store NARs as fast as the coordinator gives and takes them. Prints
// one line of JSON when it is done: NARs, seconds from the first lease to the last record, calls,
// and how long those took.
//
//   bin/scale_fleet run --coordinator 127.0.0.1:7070 --workers 64 --nars 300000
#include <algorithm>
#include <atomic>
#include <chrono>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/mutex.h"
#include "base/retry_policy.h"
#include "bench/scale/simulated_worker.h"
#include "cli/option.h"
#include "cli/program.h"
#include "hypercore_nixos/v1/coordinator.grpc.pb.h"
#include "rpc/channel.h"
#include "rpc/grpc_status.h"

namespace hnx::bench {
namespace {

namespace pb = hypercore_nixos::v1;
using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct Flags {
  std::string coordinator = "127.0.0.1:7070";
  int workers = 64;
  std::uint64_t nars = 300'000;
  std::uint64_t capacity_bytes = std::uint64_t{1} << 30U;
  milliseconds time_max{600'000};
  std::uint64_t seed = 1;
};

constexpr milliseconds kCallDeadline{60'000};
constexpr milliseconds kIdlePause{20};

// What all workers have done so far.
class Tally {
 public:
  Tally(std::uint64_t nars_wanted, milliseconds time_max)
      : nars_wanted_(nars_wanted), end_(Steady::now() + time_max) {}

  bool done() const { return failed_ || nars_ >= nars_wanted_ || Steady::now() >= end_; }
  void Fail(const Error& error) {
    Log("fleet")->error("{}", error.ToString());
    failed_ = true;
  }
  void NoteRetry(const Error& error) {
    if (++retries_ == 1) {
      Log("fleet")->warn("{}", error.ToString());
    }
  }
  void Note(milliseconds call, std::uint64_t nars_recorded, bool leased) {
    MutexLock lock(mutex_);
    calls_ms_.push_back(static_cast<int>(call.count()));
    const auto now = Steady::now();
    if (leased && !first_lease_) {
      first_lease_ = now;
    }
    if (nars_recorded > 0) {
      nars_ += nars_recorded;
      last_record_ = now;
    }
  }

  bool failed() const { return failed_; }
  nlohmann::json ToJson() {
    MutexLock lock(mutex_);
    std::vector<int> calls = calls_ms_;
    std::sort(calls.begin(), calls.end());
    const auto share = [&calls](std::size_t percent) {
      return calls.empty() ? 0 : calls[(calls.size() - 1) * percent / 100];
    };
    const double seconds =
        first_lease_ ? std::chrono::duration<double>(last_record_ - *first_lease_).count() : 0;
    return {{"nars", nars_.load()},      {"seconds", seconds},       {"calls", calls.size()},
            {"call_ms_p50", share(50)},  {"call_ms_p95", share(95)}, {"retries", retries_.load()},
            {"call_ms_max", share(100)}, {"failed", failed_.load()}};
  }

 private:
  const std::uint64_t nars_wanted_;
  const Steady::time_point end_;
  std::atomic<std::uint64_t> nars_{0};
  std::atomic<std::uint64_t> retries_{0};
  std::atomic<bool> failed_{false};
  Mutex mutex_;
  std::vector<int> calls_ms_ HNX_GUARDED_BY(mutex_);
  std::optional<Steady::time_point> first_lease_ HNX_GUARDED_BY(mutex_);
  Steady::time_point last_record_ HNX_GUARDED_BY(mutex_);
};

void Work(const Flags& flags, int number, Tally& tally) {
  const auto stub = pb::WorkerGateway::NewStub(
      rpc::MakeChannel(flags.coordinator, *rpc::ClientCredentials::Plain()));
  SimulatedWorker worker(flags.seed * 1'000 + static_cast<std::uint64_t>(number),
                         "simulated-" + std::to_string(number));
  while (!tally.done()) {
    const pb::SynchronizeRequest request = worker.Report(flags.capacity_bytes);
    pb::SynchronizeResponse response;
    const std::uint64_t before = worker.nars_recorded();
    const auto began = Steady::now();
    const auto context = rpc::MakeContext(kCallDeadline);
    Result<void> outcome =
        rpc::CheckStatus(stub->Synchronize(context.get(), request, &response), "synchronize");
    if (!outcome && IsRetryable(outcome.error().code)) {
      tally.NoteRetry(outcome.error());
      // As real workers do: the coordinator was busy, and nothing tells when it is not any more.
      std::this_thread::sleep_for(kIdlePause);  // a pause before the call is repeated
      continue;
    }
    if (outcome) {
      outcome = worker.Take(response);
    }
    if (!outcome) {
      tally.Fail(outcome.error());
      return;
    }
    tally.Note(std::chrono::duration_cast<milliseconds>(Steady::now() - began),
               worker.nars_recorded() - before, !response.jobs().empty());
    if (!worker.has_news()) {
      // A sleep: a worker without news calls again when the coordinator said, and nothing wakes it.
      std::this_thread::sleep_for(std::max(kIdlePause, milliseconds(response.next_call_ms())));
    }
  }
}

cli::ExitCode Run(const Flags& flags) {
  Tally tally(flags.nars, flags.time_max);
  std::vector<std::thread> threads;
  for (int i = 0; i < flags.workers; ++i) {
    threads.emplace_back([&, i] { Work(flags, i, tally); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  std::cout << tally.ToJson().dump() << '\n' << std::flush;
  return tally.failed() ? cli::ExitCode::kFailure : cli::ExitCode::kOk;
}

}  // namespace
}  // namespace hnx::bench

int main(int argc, char** argv) {
  hnx::bench::Flags flags;
  hnx::cli::Program program("scale_fleet", "Plays many workers that store NARs in no time.");
  CLI::App& run = program.AddCommand(
      "run", "Store NARs until there are enough", [&] { return hnx::bench::Run(flags); },
      "scale_fleet run --coordinator 127.0.0.1:7070 --workers 64 --nars 300000");
  hnx::cli::AddOption(run, "--coordinator", flags.coordinator, "HOST:PORT");
  hnx::cli::AddOption(run, "--workers", flags.workers, "So many, each with its own connection");
  hnx::cli::AddOption(run, "--nars", flags.nars, "End when so many are recorded");
  hnx::cli::AddSize(run, "--capacity", flags.capacity_bytes, "Bytes that each takes on at once");
  hnx::cli::AddDuration(run, "--time-max", flags.time_max, "End then in any case");
  hnx::cli::AddOption(run, "--seed", flags.seed, "Other workers with another one");
  return program.Main(argc, argv);
}
