// ConnectionLimits: how many connections there may be, in all and from one address. One thread.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>

#include "base/result.h"

namespace hnx::hyper {

class ConnectionLimits {
 public:
  ConnectionLimits(std::size_t total_max, std::size_t per_address_max)
      : total_max_(total_max), per_address_max_(per_address_max) {}

  // `key`: SocketAddress::LimitKey, or empty when only the total counts. kResourceExhausted names
  // the limit. Each success is followed by one Leave with the same key.
  Result<void> Enter(const std::string& key);
  void Leave(const std::string& key);

  std::size_t total() const { return total_; }

 private:
  const std::size_t total_max_;
  const std::size_t per_address_max_;
  std::size_t total_ = 0;
  std::unordered_map<std::string, std::size_t> by_address_;
};

}  // namespace hnx::hyper
