#include "rpc/failover_channels.h"

#include <utility>

#include "base/check.h"
#include "rpc/channel.h"

namespace hnx::rpc {

FailoverChannels::FailoverChannels(std::vector<std::string> endpoints) {
  HNX_CHECK(!endpoints.empty());
  for (std::string& endpoint : endpoints) {
    auto channel = MakeChannel(endpoint);
    entries_.push_back({std::move(endpoint), std::move(channel)});
  }
}

FailoverChannels::Current FailoverChannels::current() const {
  MutexLock lock(mutex_);
  const Entry& entry = entries_[current_];
  return {current_, entry.endpoint, entry.channel};
}

void FailoverChannels::Failed(const Current& failed) {
  MutexLock lock(mutex_);
  if (failed.number == current_) {
    current_ = (current_ + 1) % entries_.size();
  }
}

}  // namespace hnx::rpc
