#include "gateway/source_refresher.h"

#include <utility>

#include "base/log.h"

namespace hnx::gateway {

SourceRefresher::SourceRefresher(MirrorSource& source, std::chrono::milliseconds interval,
                                 http::MetricsRegistry& metrics, const Clock& clock)
    : LoopService("gw-refresh"),
      source_(source),
      interval_(interval),
      clock_(clock),
      errors_(metrics.Counter("hnx_gateway_refresh_errors_total",
                              "Times that the drives could not be read anew")) {
  metrics.GaugeFunction("hnx_gateway_index_version", "Length of the index drive that is served",
                        [this] { return static_cast<double>(source_.version()); });
  metrics.GaugeFunction("hnx_gateway_refresh_age_seconds",
                        "Time since the drives were last read anew, -1 before the first time",
                        [this] { return SecondsSinceRefresh(); });
  metrics.GaugeFunction("hnx_gateway_index_age_seconds",
                        "Time since the index was last seen to change, -1 before the first time",
                        [this] { return SecondsSinceChange(); });
}

SourceRefresher::~SourceRefresher() {
  Stop();
}

std::chrono::milliseconds SourceRefresher::RunOnce() {
  const auto refreshed = source_.Refresh();
  const auto now = clock_.Steady();
  std::string trouble;
  std::string before;
  {
    MutexLock lock(mutex_);
    before = trouble_;
    if (refreshed) {
      refreshed_at_ = now;
      trouble_.clear();
      if (*refreshed) {
        changed_at_ = now;
      }
    } else {
      trouble_ = refreshed.error().message;
    }
    trouble = trouble_;
  }
  if (!refreshed) {
    errors_.Add();
  }
  // Once per change, not once per turn.
  if (!trouble.empty() && trouble != before) {
    Log("gateway")->warn("cannot read the drives: {}", trouble);
  } else if (trouble.empty() && !before.empty()) {
    Log("gateway")->info("serving version {} of the index", source_.version());
  }
  return interval_;
}

Result<void> SourceRefresher::Ready() const {
  MutexLock lock(mutex_);
  if (!refreshed_at_ || clock_.Steady() - *refreshed_at_ > kStaleAfter) {
    return Unavailable(trouble_.empty() ? "the drives were not read for a long time" : trouble_);
  }
  return {};
}

std::vector<http::ReadyItem> SourceRefresher::ReadyItems() const {
  const Result<void> ready = Ready();
  return {{.name = "mirror", .reason = ready ? "" : ready.error().message}};
}

double SourceRefresher::SecondsSinceRefresh() const {
  MutexLock lock(mutex_);
  return refreshed_at_ ? std::chrono::duration<double>(clock_.Steady() - *refreshed_at_).count()
                       : -1;
}

double SourceRefresher::SecondsSinceChange() const {
  MutexLock lock(mutex_);
  return changed_at_ ? std::chrono::duration<double>(clock_.Steady() - *changed_at_).count() : -1;
}

}  // namespace hnx::gateway
