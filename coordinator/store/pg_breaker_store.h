// PgBreakerStore: the circuit breakers of upstream hosts, for whoever probes them. For the leader;
// one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <string>

#include "base/result.h"
#include "base/retry_policy.h"
#include "coordinator/store/pg_leader.h"
#include "coordinator/store/pg_pool.h"

namespace hnx::coordinator {

struct HalfOpenHost {
  std::string host;
  std::string upstream_url;
  int opens = 0;  // how often in a row it stayed open
};

class PgBreakerStore {
 public:
  PgBreakerStore(PgPool& pool, const PgLeader& leader, RetryPolicy waits)
      : pool_(pool), leader_(leader), waits_(waits) {}

  // One that is to be probed now.
  Result<std::optional<HalfOpenHost>> NextToProbe();
  // `well`: the breaker closes; otherwise it stays open, longer than before and at least so long as
  // the host asked for.
  Result<void> EndProbe(const HalfOpenHost& host, bool well,
                        std::chrono::milliseconds asked_for = std::chrono::milliseconds(0));

 private:
  PgPool& pool_;
  const PgLeader& leader_;
  const RetryPolicy waits_;
  std::mt19937_64 random_{std::random_device{}()};
};

}  // namespace hnx::coordinator
