// DeferredResponse: an answer that is being found on another thread. Internal to this folder.
//
// Threads: any.
#pragma once

#include <functional>
#include <optional>
#include <utility>

#include "base/mutex.h"
#include "http/http_server.h"

namespace hnx::http {

class DeferredResponse {
 public:
  // `wake` ends the wait of a TakeOr that found nothing.
  void Put(ServerResponse response, const std::function<void()>& wake) HNX_EXCLUDES(mutex_) {
    bool waited = false;
    {
      MutexLock lock(mutex_);
      response_ = std::move(response);
      waited = waited_;
    }
    if (waited) {
      wake();
    }
  }
  // Nothing: `wait` was called before any Put could wake.
  std::optional<ServerResponse> TakeOr(const std::function<void()>& wait) HNX_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (!response_) {
      waited_ = true;
      wait();
    }
    return std::exchange(response_, std::nullopt);
  }

 private:
  Mutex mutex_;
  std::optional<ServerResponse> response_ HNX_GUARDED_BY(mutex_);
  bool waited_ HNX_GUARDED_BY(mutex_) = false;
};

}  // namespace hnx::http
