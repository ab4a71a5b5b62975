// HostTable: shares of the cluster's limits at upstream hosts, and what failures and successes say
// of a host. Used inside a transaction.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "coordinator/domain/failure_policy.h"
#include "coordinator/domain/host_share.h"
#include "coordinator/store/pg_transaction.h"

namespace hnx::coordinator {

// Renews the holder's share at one host; `use`: what it has in force there.
HostAllowance ClaimShare(PgTransaction& transaction, const std::string& host,
                         const std::string& holder, const HostUseReport& use,
                         const HostLimits& limits);

// For a worker: its shares at all hosts that its jobs go to; others that it uses no more are freed.
std::vector<HostAllowance> ClaimShares(PgTransaction& transaction, const std::string& worker_id,
                                       const std::vector<HostUseReport>& uses,
                                       const HostLimits& limits);

// The answer to a repeated message: what the worker has in force stays as it is.
std::vector<HostAllowance> RepeatShares(PgTransaction& transaction, const std::string& worker_id,
                                        const std::vector<HostUseReport>& uses,
                                        const HostLimits& limits);

// Passing failures in a row open the breaker of the upstream's host.
void NoteHostFailures(PgTransaction& transaction, std::int64_t upstream, std::uint64_t failures,
                      const FailurePolicyOptions& policy, std::mt19937_64& random);
// The upstreams answered; `stored`: with NARs that were verified and recorded.
void NoteHostAnswers(PgTransaction& transaction, const std::vector<std::int64_t>& upstreams,
                     bool stored);

}  // namespace hnx::coordinator
