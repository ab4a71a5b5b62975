// LeaderService: keeps asking for the leadership, or keeps it.
#pragma once

#include <chrono>

#include "base/service.h"
#include "coordinator/store/pg_leader.h"

namespace hnx::coordinator {

class LeaderService final : public LoopService {
 public:
  explicit LeaderService(PgLeader& leader);
  ~LeaderService() override;

  std::chrono::milliseconds RunOnce() override;

  static constexpr std::chrono::milliseconds kInterval{1'000};

 private:
  PgLeader& leader_;
  bool led_ = false;
};

}  // namespace hnx::coordinator
