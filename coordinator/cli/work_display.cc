#include "coordinator/cli/work_display.h"

#include <algorithm>
#include <chrono>
#include <iostream>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/clock.h"
#include "cli/json_text.h"
#include "cli/terminal.h"
#include "coordinator/cli/release_json.h"
#include "coordinator/cli/release_text.h"

namespace hnx::coordinator {
namespace {

namespace pb = ::hypercore_nixos::v1;
using Json = nlohmann::ordered_json;

cli::ProgressBar WorkerBar(const pb::WorkerStatus& worker) {
  std::string note = worker.alive() ? fmt::format("{} jobs", worker.jobs()) : "away";
  if (worker.paused()) {
    note += ", paused";
  } else if (worker.draining()) {
    note += ", draining";
  } else if (worker.disk_full()) {
    note += ", no room";
  }
  return {.label = worker.name(),
          .done = worker.bytes_stored(),
          .total = 0,
          .unit = cli::ProgressUnit::kBytes,
          .note = std::move(note)};
}

}  // namespace

WorkDisplay::WorkDisplay(bool json)
    : json_(json), display_(cli::ChooseProgressMode(false, STDERR_FILENO), std::cerr, [] {
        return cli::TerminalWidth(STDERR_FILENO);
      }) {}

void WorkDisplay::SetWorkers(const google::protobuf::RepeatedPtrField<pb::WorkerStatus>& workers) {
  workers_.clear();
  const auto now = Clock::Real().Steady();
  for (const pb::WorkerStatus& worker : workers) {
    if (!worker.forgotten()) {
      worker_rates_[worker.id()].Add(now, worker.bytes_stored());
      workers_.push_back(worker);
    }
  }
  // Those at work first.
  std::stable_sort(workers_.begin(), workers_.end(),
                   [](const auto& a, const auto& b) { return a.jobs() > b.jobs(); });
}

std::vector<cli::ProgressBar> WorkDisplay::BarsOf(const std::vector<pb::Release>& releases) const {
  std::vector<cli::ProgressBar> bars;
  for (std::size_t i = 0; i < std::min(releases.size(), kReleasesShownMax); ++i) {
    for (cli::ProgressBar& bar : ProgressOf(releases[i])) {
      if (releases.size() > 1) {
        bar.label = fmt::format("{} {} {}", releases[i].id(), releases[i].channel(), bar.label);
      }
      bars.push_back(std::move(bar));
    }
  }
  for (std::size_t i = 0; i < std::min(workers_.size(), kWorkersShownMax); ++i) {
    bars.push_back(WorkerBar(workers_[i]));
  }
  if (!bars.empty() && workers_.size() > kWorkersShownMax) {
    bars.back().note += fmt::format("; and {} more workers", workers_.size() - kWorkersShownMax);
  }
  return bars;
}

void WorkDisplay::PrintJson(const pb::Release& release) {
  const cli::RateMeter& rate = release_rates_[release.id()];
  Json line = ToJson(release);
  line["bytes_per_second"] = rate.PerSecond();
  const auto left = rate.TimeTo(release.nars().bytes_total());
  if (left && release.nars().bytes_stored() < release.nars().bytes_total()) {
    const auto now = Clock::Real().Wall().time_since_epoch();
    line["expected_end_ms"] =
        std::chrono::duration_cast<std::chrono::milliseconds>(now + *left).count();
  } else {
    line["expected_end_ms"] = nullptr;
  }
  Json workers = Json::array();
  for (const pb::WorkerStatus& worker : workers_) {
    workers.push_back({{"name", worker.name()},
                       {"alive", worker.alive()},
                       {"jobs", worker.jobs()},
                       {"bytes_stored", worker.bytes_stored()},
                       {"bytes_per_second", worker_rates_[worker.id()].PerSecond()}});
  }
  line["workers"] = std::move(workers);
  std::cout << cli::JsonLine(line) << '\n' << std::flush;
}

void WorkDisplay::Show(const std::vector<pb::Release>& releases) {
  const auto now = Clock::Real().Steady();
  for (const pb::Release& release : releases) {
    release_rates_[release.id()].Add(now, release.nars().bytes_stored());
    if (json_) {
      PrintJson(release);
    }
  }
  if (!json_) {
    display_.Update(BarsOf(releases));
  }
}

void WorkDisplay::Message(std::string_view text) {
  if (!json_) {
    display_.Message(text);
  }
}

void WorkDisplay::Finish() {
  display_.Finish();
}

}  // namespace hnx::coordinator
