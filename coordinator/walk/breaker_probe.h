// BreakerProbe: asks an upstream host whose breaker is half open for its nix-cache-info; an answer
// closes the breaker, for all replicas, workers and walks. At work only under the leader's lock.
#pragma once

#include <chrono>

#include "base/service.h"
#include "coordinator/store/pg_breaker_store.h"
#include "http/http_client.h"

namespace hnx::coordinator {

class BreakerProbe final : public LoopService {
 public:
  static constexpr std::chrono::milliseconds kInterval{500};

  // All must outlive this.
  BreakerProbe(http::HttpClient& client, PgBreakerStore& store, const PgLeader& leader)
      : LoopService("breaker"), client_(client), store_(store), leader_(leader) {}
  ~BreakerProbe() override { Stop(); }

  std::chrono::milliseconds RunOnce() override;

 private:
  http::HttpClient& client_;
  PgBreakerStore& store_;
  const PgLeader& leader_;
};

}  // namespace hnx::coordinator
