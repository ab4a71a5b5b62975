// ChannelFollower: looks where the channels that are followed point, each at its interval with some
// jitter, and has what advanced submitted once it rested for the channel's debounce. A server that
// fails is asked again after a growing wait, never more often than the interval says.
#pragma once

#include <chrono>
#include <random>

#include "base/result.h"
#include "base/service.h"
#include "coordinator/channel/release_location.h"
#include "coordinator/store/follow_store.h"
#include "http/http_client.h"

namespace hnx::coordinator {

class ChannelFollower final : public LoopService {
 public:
  // All must outlive the follower.
  ChannelFollower(http::HttpClient& client, FollowStore& store, const ChannelRules& rules);
  ~ChannelFollower() override;

  // Polls one channel, if one is due.
  std::chrono::milliseconds RunOnce() override;

 private:
  Result<ChannelSight> Look(const ChannelToPoll& channel);
  Result<void> Poll(const ChannelToPoll& channel);
  std::chrono::milliseconds WithJitter(std::chrono::milliseconds interval);

  http::HttpClient& client_;
  FollowStore& store_;
  const ChannelRules& rules_;
  std::mt19937_64 random_;
};

}  // namespace hnx::coordinator
