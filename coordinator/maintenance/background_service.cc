#include "coordinator/maintenance/background_service.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/log.h"

namespace hnx::coordinator {

BackgroundService::BackgroundService(const std::string& name, const PgLeader& leader,
                                     PgChanges& changes, std::chrono::milliseconds interval,
                                     Round round)
    : LoopService(name),
      name_(name),
      leader_(leader),
      changes_(changes),
      interval_(interval),
      round_(std::move(round)) {}

BackgroundService::~BackgroundService() {
  Stop();
}

std::chrono::milliseconds BackgroundService::RunOnce() {
  if (!leader_.leads()) {
    return interval_;
  }
  const std::string seen = changes_.Seen();
  if (IsQuiet(seen)) {
    return interval_;
  }
  found_nothing_in_.clear();
  const Result<bool> more = round_();
  if (!more.has_value()) {
    return Trouble(more.error());
  }
  trouble_delay_ = kTroubleDelayMin;
  if (!last_trouble_.empty()) {
    Log(name_)->info("goes on");
    last_trouble_.clear();
  }
  if (*more) {
    return std::chrono::milliseconds(0);
  }
  found_nothing_in_ = seen;
  found_nothing_at_ = Clock::Real().Steady();
  return interval_;
}

bool BackgroundService::IsQuiet(const std::string& seen) const {
  return !seen.empty() && seen == found_nothing_in_ &&
         Clock::Real().Steady() - found_nothing_at_ < kQuietIntervalMin;
}

std::chrono::milliseconds BackgroundService::Trouble(const Error& error) {
  const std::string text = error.ToString();
  if (text != last_trouble_) {
    if (error.code == ErrorCode::kInternal) {
      Log(name_)->error("{}", text);
    } else {
      Log(name_)->warn("{}; trying again", text);
    }
    last_trouble_ = text;
  }
  const auto delay = trouble_delay_;
  trouble_delay_ = std::min(trouble_delay_ * 2, kTroubleDelayMax);
  return delay;
}

}  // namespace hnx::coordinator
