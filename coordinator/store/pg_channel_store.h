// PgChannelStore: channels that are followed and what is kept of each. Settings may be changed by
// any replica; polling belongs to the leader. Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "coordinator/domain/audit_view.h"
#include "coordinator/domain/channel_view.h"
#include "coordinator/store/follow_store.h"
#include "coordinator/store/pg_leader.h"
#include "coordinator/store/pg_pool.h"

namespace hnx::coordinator {

// Channels in one listing.
inline constexpr std::int64_t kChannelsMax = 1'000;

struct FollowDefaults {
  std::string upstream;
  double max_missing = 0.05;
};

class PgChannelStore final : public FollowStore {
 public:
  // All must outlive this object.
  PgChannelStore(PgPool& pool, const PgLeader& leader, FollowDefaults defaults)
      : pool_(pool), leader_(leader), defaults_(std::move(defaults)) {}

  // Begins to follow it, or changes how. It is polled at once.
  Result<ChannelView> Follow(const FollowSettings& settings, const Caller& caller = {});
  // Keeps the settings of a channel that is followed already.
  Result<void> FollowNamed(const std::string& channel);
  // kNotFound: it is not followed.
  Result<ChannelView> Unfollow(const std::string& channel, const Caller& caller = {});
  // Negative: as it was; 0: no such rule.
  Result<ChannelView> SetRetention(const std::string& channel, int keep_releases, int keep_days,
                                   const Caller& caller = {});
  Result<std::vector<ChannelView>> List();

  Result<std::optional<ChannelToPoll>> NextChannelToPoll() override;
  Result<std::optional<std::chrono::milliseconds>> Saw(const std::string& channel,
                                                       const ChannelSight& sight) override;
  Result<void> Failed(const std::string& channel, const std::string& why) override;
  Result<void> PollAgainIn(const std::string& channel, std::chrono::milliseconds time) override;

 private:
  PgPool& pool_;
  const PgLeader& leader_;
  const FollowDefaults defaults_;
};

}  // namespace hnx::coordinator
