// BackgroundService: a loop that does something only while this replica leads, backs off while the
// database is away, and logs a trouble once rather than every round. While nothing is committed a
// round that found nothing to do is not repeated before kQuietIntervalMin.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/result.h"
#include "base/service.h"
#include "coordinator/store/pg_changes.h"
#include "coordinator/store/pg_leader.h"

namespace hnx::coordinator {

inline constexpr std::chrono::milliseconds kTroubleDelayMin{200};
inline constexpr std::chrono::milliseconds kTroubleDelayMax{2'000};
// Time alone may make something due.
inline constexpr std::chrono::milliseconds kQuietIntervalMin{1'000};

class BackgroundService final : public LoopService {
 public:
  // One round; true: there is more to do at once.
  using Round = std::function<Result<bool>()>;

  // `leader` and `changes` must outlive this object; so must whatever `round` refers to.
  BackgroundService(const std::string& name, const PgLeader& leader, PgChanges& changes,
                    std::chrono::milliseconds interval, Round round);
  ~BackgroundService() override;

  std::chrono::milliseconds RunOnce() override;

 private:
  std::chrono::milliseconds Trouble(const Error& error);
  // Whether the last round found nothing to do and this one would see the same.
  bool IsQuiet(const std::string& seen) const;

  const std::string name_;
  const PgLeader& leader_;
  PgChanges& changes_;
  const std::chrono::milliseconds interval_;
  const Round round_;
  std::chrono::milliseconds trouble_delay_ = kTroubleDelayMin;
  std::string last_trouble_;
  // What could be seen before the last round, if that found nothing to do.
  std::string found_nothing_in_;
  std::chrono::steady_clock::time_point found_nothing_at_;
};

}  // namespace hnx::coordinator
