// OverviewService: asks for the overview every second, so that whoever looks at it, however many
// and however often, costs the database nothing. Remembers for a minute how fast releases come in.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/service.h"
#include "cli/rate_meter.h"
#include "coordinator/store/pg_overview_store.h"

namespace hnx::coordinator {

inline constexpr std::chrono::milliseconds kOverviewInterval{1'000};

// What was learnt last. Never changed once it is given out.
struct OverviewLook {
  std::shared_ptr<const Overview> overview;  // the last that could be read; null: none so far
  std::string trouble = "the database was not asked yet";  // empty: it answered the last time
  std::int64_t at_ms = 0;  // when it was asked, by this machine's clock
};

class OverviewService final : public LoopService {
 public:
  // `store` must outlive it.
  explicit OverviewService(PgOverviewStore& store, const Clock& clock = Clock::Real());
  ~OverviewService() override;

  std::shared_ptr<const OverviewLook> Last() const HNX_EXCLUDES(mutex_);

  std::chrono::milliseconds RunOnce() override;

 private:
  void AddRates(Overview& overview);

  PgOverviewStore& store_;
  const Clock& clock_;
  std::map<std::int64_t, cli::RateMeter> meters_;  // of releases at work
  mutable Mutex mutex_;
  std::shared_ptr<const OverviewLook> last_ HNX_GUARDED_BY(mutex_);
};

}  // namespace hnx::coordinator
