#include "coordinator/cli/release_watch.h"

#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <poll.h>

#include "base/clock.h"
#include "coordinator/cli/release_json.h"
#include "coordinator/cli/release_text.h"
#include "coordinator/cli/work_display.h"

namespace hnx::coordinator {
namespace {

constexpr std::chrono::milliseconds kStatusInterval{1'000};

// Asks for the status now and then; while the coordinator is away what was known stays.
class StatusPoll {
 public:
  explicit StatusPoll(CoordinatorClient& client) : client_(client) {}

  void KeepUp(WorkDisplay& display) {
    const auto now = Clock::Real().Steady();
    if (asked_at_ && now - *asked_at_ < kStatusInterval) {
      return;
    }
    asked_at_ = now;
    if (const auto status = client_.GetStatus()) {
      display.SetWorkers(status->workers());
    }
  }

 private:
  CoordinatorClient& client_;
  std::optional<Clock::SteadyTime> asked_at_;
};

bool IsAway(const Error& error) {
  return error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kDeadlineExceeded;
}

cli::ExitCode Worse(cli::ExitCode a, cli::ExitCode b) {
  if (a == cli::ExitCode::kFailure || b == cli::ExitCode::kFailure) {
    return cli::ExitCode::kFailure;
  }
  return std::max(a, b);
}

// The releases that WatchWork watches, and how those that are over ended.
class Work {
 public:
  Work(CoordinatorClient& client, bool json, WorkDisplay& display)
      : client_(client), json_(json), display_(display) {}

  // False: nothing is at work any more.
  Result<bool> Look(const pb::Status& status) {
    std::map<std::uint64_t, pb::Release> at_work;
    for (const pb::Release& release : status.releases()) {
      if (!IsOver(release, false)) {
        at_work.emplace(release.id(), release);
      }
    }
    display_.SetWorkers(status.workers());
    for (const std::uint64_t id : watched_) {
      if (!at_work.contains(id)) {
        HNX_TRY(TellEnd(id));
      }
    }
    watched_.clear();
    std::vector<pb::Release> shown;
    for (const auto& [id, release] : at_work) {
      watched_.push_back(id);
      shown.push_back(release);
    }
    if (!shown.empty()) {
      display_.Show(shown);
    }
    return !shown.empty();
  }

  cli::ExitCode code() const { return code_; }

 private:
  Result<void> TellEnd(std::uint64_t id) {
    HNX_ASSIGN_OR_RETURN(const pb::Release release, client_.GetRelease(id));
    if (json_) {
      display_.Show({release});
    } else {
      display_.Message(Summary(release));
    }
    if (release.state() != pb::RELEASE_STATE_PLANNED) {
      code_ = Worse(code_, ExitCodeOf(release));
    }
    return {};
  }

  CoordinatorClient& client_;
  const bool json_;
  WorkDisplay& display_;
  std::vector<std::uint64_t> watched_;
  cli::ExitCode code_ = cli::ExitCode::kOk;
};

}  // namespace

Result<pb::Release> WatchRelease(CoordinatorClient& client, const ClientOptions& options,
                                 std::uint64_t release_id, bool plan_only) {
  WorkDisplay display(options.json);
  StatusPoll status(client);
  std::optional<pb::Release> last;
  const auto take = [&](const pb::Release& release) -> Result<bool> {
    const bool other_state = !last || last->state() != release.state();
    last = release;
    status.KeepUp(display);
    if (other_state && !IsOver(release, plan_only)) {
      display.Finish();
      display.Message(
          fmt::format("{}: {}", ReleaseTitle(release), ReleaseStateName(release.state())));
    }
    if (options.json || release.state() != pb::RELEASE_STATE_REFUSED) {
      display.Show({release});
    }
    return !IsOver(release, plan_only);
  };
  HNX_TRY(client.Watch(release_id, take));
  display.Finish();
  if (!last) {
    return Internal("watch the release: the coordinator said nothing");
  }
  return *last;
}

Result<cli::ExitCode> WatchWork(CoordinatorClient& client, const ClientOptions& options) {
  WorkDisplay display(options.json);
  Work work(client, options.json, display);
  std::optional<Clock::SteadyTime> answered_at;
  for (;;) {
    const auto status = client.GetStatus();
    const auto now = Clock::Real().Steady();
    if (status) {
      HNX_ASSIGN_OR_RETURN(const bool goes_on, work.Look(*status));
      if (!goes_on && !answered_at) {
        return NotFound("nothing is at work");
      }
      if (!goes_on) {
        break;
      }
      answered_at = now;
    } else if (!answered_at || !IsAway(status.error()) || now - *answered_at > options.patience) {
      return status.error();
    }
    (void)::poll(nullptr, 0, static_cast<int>(kStatusInterval.count()));
  }
  display.Finish();
  return work.code();
}

}  // namespace hnx::coordinator
