#include <chrono>
#include <iostream>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/json_text.h"
#include "cli/option.h"
#include "cli/table.h"
#include "cli/units.h"
#include "coordinator/cli/client_commands.h"
#include "coordinator/cli/coordinator_client.h"
#include "coordinator/cli/release_text.h"

namespace hnx::coordinator {
namespace {

constexpr std::uint32_t kLimitMax = 1'000;

struct JobsOptions {
  ClientOptions client;
  std::string worker;
  std::string state;
  std::uint32_t limit = 100;
};

nlohmann::ordered_json JobsJson(const pb::JobList& jobs) {
  auto queue = nlohmann::ordered_json::array();
  for (const pb::QueuedNars& queued : jobs.queue()) {
    queue.push_back({{"state", queued.state()},
                     {"count", queued.count()},
                     {"oldest_at_ms", queued.oldest_at_ms()}});
  }
  auto leases = nlohmann::ordered_json::array();
  for (const pb::Lease& lease : jobs.jobs()) {
    leases.push_back({{"job_id", lease.job_id()},
                      {"worker_id", lease.worker_id()},
                      {"worker", lease.worker_name()},
                      {"release_id", lease.release_id()},
                      {"attempt", lease.attempt()},
                      {"nars", lease.nars()},
                      {"bytes", lease.bytes()},
                      {"bytes_done", lease.bytes_done()},
                      {"leased_at_ms", lease.leased_at_ms()},
                      {"expires_at_ms", lease.expires_at_ms()},
                      {"late", lease.late()}});
  }
  return {{"queue", std::move(queue)}, {"leases", jobs.leases()}, {"jobs", std::move(leases)}};
}

std::string SinceText(std::int64_t unix_ms) {
  return unix_ms == 0 ? "" : FormatTime(unix_ms);
}

void PrintQueue(const pb::JobList& jobs) {
  cli::Table table({{"QUEUE"}, {"COUNT", cli::Align::kRight}, {"OLDEST SINCE"}});
  for (const pb::QueuedNars& queued : jobs.queue()) {
    table.Add({queued.state(), std::to_string(queued.count()), SinceText(queued.oldest_at_ms())});
  }
  table.Print(std::cout);
}

void PrintLeases(const pb::JobList& jobs) {
  using cli::Align;
  cli::Table table({{"JOB", Align::kRight},
                    {"WORKER"},
                    {"RELEASE", Align::kRight},
                    {"ATTEMPT", Align::kRight},
                    {"NARS", Align::kRight},
                    {"BYTES", Align::kRight},
                    {"DONE", Align::kRight},
                    {"SINCE"},
                    {"EXPIRES"}});
  for (const pb::Lease& lease : jobs.jobs()) {
    std::vector<std::string> remarks;
    if (lease.late()) {
      remarks.emplace_back("expired; it is taken back");
    }
    table.Add({std::to_string(lease.job_id()), lease.worker_name(),
               lease.release_id() == 0 ? "" : std::to_string(lease.release_id()),
               std::to_string(lease.attempt()), std::to_string(lease.nars()),
               cli::FormatBytes(lease.bytes()), cli::FormatBytes(lease.bytes_done()),
               SinceText(lease.leased_at_ms()), SinceText(lease.expires_at_ms())},
              std::move(remarks));
  }
  table.Finish(std::cout, "Nothing is leased.");
  if (jobs.leases() > static_cast<std::uint64_t>(jobs.jobs_size())) {
    std::cerr << fmt::format("{} more leases; see --limit\n",
                             jobs.leases() - static_cast<std::uint64_t>(jobs.jobs_size()));
  }
}

Result<cli::ExitCode> ListJobs(const JobsOptions& options) {
  pb::GetJobsRequest request;
  request.set_worker(options.worker);
  request.set_state(options.state);
  request.set_limit(options.limit);
  HNX_ASSIGN_OR_RETURN(CoordinatorClient client, CoordinatorClient::Create(options.client));
  HNX_ASSIGN_OR_RETURN(const pb::JobList jobs,
                       client.Ask("list the jobs", &pb::Coordinator::Stub::GetJobs, request));
  if (options.client.json) {
    std::cout << cli::JsonLine(JobsJson(jobs)) << '\n';
    return cli::ExitCode::kOk;
  }
  if (jobs.queue_size() > 0) {
    PrintQueue(jobs);
  }
  if (options.state.empty() || options.state == "leased") {
    std::cout << (jobs.queue_size() > 0 ? "\n" : "");
    PrintLeases(jobs);
  }
  return cli::ExitCode::kOk;
}

}  // namespace

void AddJobsCommand(cli::Program& program) {
  auto options = std::make_shared<JobsOptions>();
  CLI::App& command = program.AddCommand(
      "jobs",
      "List what waits, by state and with the age of the oldest, and what is leased to whom.\n"
      "wanted: to be fetched; idle: wanted by nothing at work; ready: paths to be published next, "
      "counted up to 1,000",
      [options] {
        const auto code = ListJobs(*options);
        return code ? *code : Fail(code.error());
      },
      "coordinator jobs\ncoordinator jobs --worker rack2\ncoordinator jobs --state wanted --json",
      cli::kAskingExits);
  cli::AddOption(command, "--worker", options->worker,
                 "Only what is leased to this worker, by its name or id");
  cli::AddOption(command, "--state", options->state, "Only what is in this state")
      ->check(
          CLI::IsMember({"wanted", "idle", "leased", "ready", "stored", "missing", "set_aside"}));
  cli::AddOption(command, "--limit", options->limit, "At most so many leases, the oldest first")
      ->check(CLI::Range(std::uint32_t{1}, kLimitMax));
  AddClientOptions(command, options->client);
}

}  // namespace hnx::coordinator
