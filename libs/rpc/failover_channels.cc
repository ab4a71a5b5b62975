#include "rpc/failover_channels.h"

#include <utility>

#include "base/check.h"
#include "rpc/channel.h"

namespace hnx::rpc {

FailoverChannels::FailoverChannels(std::vector<std::string> endpoints,
                                   std::shared_ptr<const ClientCredentials> credentials)
    : credentials_(std::move(credentials)) {
  HNX_CHECK(!endpoints.empty());
  for (std::string& endpoint : endpoints) {
    auto channel = MakeChannel(endpoint, *credentials_);
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
