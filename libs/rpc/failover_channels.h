// FailoverChannels: any of several coordinators will do. The current one is used until a call to it
// failed in a way that says "not here" (Failed); then the next in the list is. Thread-safe.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/channel.h>

#include "base/mutex.h"
#include "rpc/client_credentials.h"

namespace hnx::rpc {

class FailoverChannels {
 public:
  struct Current {
    std::size_t number = 0;
    std::string endpoint;
    std::shared_ptr<grpc::Channel> channel;
  };

  // At least one endpoint.
  explicit FailoverChannels(
      std::vector<std::string> endpoints,
      std::shared_ptr<const ClientCredentials> credentials = ClientCredentials::Plain());

  Current current() const HNX_EXCLUDES(mutex_);
  // Call number `failed.number` did not answer: go on with the next, unless another thread already
  // did.
  void Failed(const Current& failed) HNX_EXCLUDES(mutex_);

 private:
  struct Entry {
    std::string endpoint;
    std::shared_ptr<grpc::Channel> channel;
  };

  const std::shared_ptr<const ClientCredentials> credentials_;
  std::vector<Entry> entries_;
  mutable Mutex mutex_;
  std::size_t current_ HNX_GUARDED_BY(mutex_) = 0;
};

}  // namespace hnx::rpc
