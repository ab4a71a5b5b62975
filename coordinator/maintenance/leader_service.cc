#include "coordinator/maintenance/leader_service.h"

#include "base/log.h"

namespace hnx::coordinator {

LeaderService::LeaderService(PgLeader& leader) : LoopService("leader"), leader_(leader) {}

LeaderService::~LeaderService() {
  Stop();
}

std::chrono::milliseconds LeaderService::RunOnce() {
  const auto leads = leader_.Renew();
  if (!leads.has_value()) {
    // What the others do in the meantime is stopped by the epoch, not by us.
    return kInterval / 4;
  }
  if (*leads != led_) {
    led_ = *leads;
    Log("leader")->info(led_ ? "this replica does the background work now"
                             : "another replica does the background work now");
  }
  return kInterval;
}

}  // namespace hnx::coordinator
