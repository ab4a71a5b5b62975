#include "hyper/transport/connection_limits.h"

#include "base/check.h"

namespace hnx::hyper {

Result<void> ConnectionLimits::Enter(const std::string& key) {
  if (total_ >= total_max_) {
    return ResourceExhausted("there are " + std::to_string(total_max_) +
                             " connections, the most that are allowed");
  }
  if (!key.empty()) {
    std::size_t& count = by_address_[key];
    if (count >= per_address_max_) {
      return ResourceExhausted("there are " + std::to_string(per_address_max_) +
                               " connections from that address, the most that are allowed");
    }
    ++count;
  }
  ++total_;
  return {};
}

void ConnectionLimits::Leave(const std::string& key) {
  HNX_CHECK(total_ > 0);
  --total_;
  if (!key.empty()) {
    const auto found = by_address_.find(key);
    HNX_CHECK(found != by_address_.end());
    if (--found->second == 0) {
      by_address_.erase(found);
    }
  }
}

}  // namespace hnx::hyper
