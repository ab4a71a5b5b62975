#include "coordinator/page/overview_service.h"

#include <utility>

#include "base/log.h"

namespace hnx::coordinator {
namespace {

constexpr std::chrono::seconds kRateWindow{60};
// Of a rate, so that it does not flicker.
constexpr std::uint64_t kRateStep = 1'000;
constexpr std::int64_t kEndStepMs = 1'000;

}  // namespace

OverviewService::OverviewService(PgOverviewStore& store, const Clock& clock)
    : LoopService("overview"),
      store_(store),
      clock_(clock),
      last_(std::make_shared<const OverviewLook>()) {}

OverviewService::~OverviewService() {
  Stop();
}

std::shared_ptr<const OverviewLook> OverviewService::Last() const {
  MutexLock lock(mutex_);
  return last_;
}

std::chrono::milliseconds OverviewService::RunOnce() {
  auto look = std::make_shared<OverviewLook>();
  auto read = store_.Read();
  look->at_ms = clock_.Wall().time_since_epoch().count();
  const auto before = Last();
  if (read.has_value()) {
    AddRates(*read);
    look->overview = std::make_shared<const Overview>(*std::move(read));
    look->trouble.clear();
    if (before->overview != nullptr && !before->trouble.empty()) {
      Log("page")->info("the database answers again");
    }
  } else {
    look->overview = before->overview;
    look->trouble = read.error().message;
    if (before->trouble.empty()) {
      Log("page")->warn("{}", look->trouble);
    }
  }
  MutexLock lock(mutex_);
  last_ = look;
  return kOverviewInterval;
}

void OverviewService::AddRates(Overview& overview) {
  std::map<std::int64_t, cli::RateMeter> kept;
  const auto now = clock_.Steady();
  for (ReleaseOverview& release : overview.releases) {
    if (release.state != "mirroring") {
      continue;
    }
    const auto known = meters_.find(release.id);
    cli::RateMeter meter =
        known == meters_.end() ? cli::RateMeter(kRateWindow) : std::move(known->second);
    meter.Add(now, release.bytes_stored);
    release.bytes_per_second =
        static_cast<std::uint64_t>(meter.PerSecond()) / kRateStep * kRateStep;
    if (const auto left = meter.TimeTo(release.bytes)) {
      release.expected_end_ms = (overview.mirror.now_ms + left->count()) / kEndStepMs * kEndStepMs;
    }
    kept.emplace(release.id, std::move(meter));
  }
  meters_ = std::move(kept);
}

}  // namespace hnx::coordinator
