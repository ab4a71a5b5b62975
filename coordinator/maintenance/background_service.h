// BackgroundService: a loop that does something only while this replica leads, backs off while the
// database is away, and logs a trouble once rather than every round.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/result.h"
#include "base/service.h"
#include "coordinator/store/pg_leader.h"

namespace hnx::coordinator {

inline constexpr std::chrono::milliseconds kTroubleDelayMin{200};
inline constexpr std::chrono::milliseconds kTroubleDelayMax{2'000};

class BackgroundService final : public LoopService {
 public:
  // One round; true: there is more to do at once.
  using Round = std::function<Result<bool>()>;

  // `leader` must outlive this object; so must whatever `round` refers to.
  BackgroundService(const std::string& name, const PgLeader& leader,
                    std::chrono::milliseconds interval, Round round);
  ~BackgroundService() override;

  std::chrono::milliseconds RunOnce() override;

 private:
  std::chrono::milliseconds Trouble(const Error& error);

  const std::string name_;
  const PgLeader& leader_;
  const std::chrono::milliseconds interval_;
  const Round round_;
  std::chrono::milliseconds trouble_delay_ = kTroubleDelayMin;
  std::string last_trouble_;
};

}  // namespace hnx::coordinator
