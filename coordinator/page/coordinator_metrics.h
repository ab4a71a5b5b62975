// CoordinatorMetrics: what Prometheus is told by a coordinator. docs/METRICS.md lists all of it.
// Gauges are those of the last look at the database, whoever leads; counters are of this process.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

#include "coordinator/page/overview_service.h"
#include "coordinator/store/pg_pool.h"
#include "coordinator/store/pg_synchronizer.h"
#include "http/metrics.h"

namespace hnx::coordinator {

// The gauges of a look; each series at most once, their number bounded by the overview's limits.
std::vector<http::MetricGauges> OverviewGauges(const OverviewLook& look);

class CoordinatorMetrics {
 public:
  CoordinatorMetrics();

  // From now on these are shown; they must outlive the last reading of the registry.
  void Show(const OverviewService& overview);
  void Show(PgPool& pool);
  void Show(const PgLeader& leader);

  // Thread-safe.
  void ObserveTransaction(std::chrono::steady_clock::duration took);
  void ObserveCall(std::string_view method, std::string_view code,
                   std::chrono::steady_clock::duration took);
  // Of a call that no handler saw; `method` empty: one that there is not.
  void CountRefusal(std::string_view method, std::string_view code);
  void Count(const SynchronizeNews& news);
  void CountExpiredLeases(std::uint64_t leases);

  const http::MetricsRegistry& registry() const { return registry_; }

 private:
  http::MetricsRegistry registry_;
  http::MetricHistogram transactions_;
  http::MetricCounters calls_;
  http::MetricHistograms call_seconds_;
  http::MetricCounter jobs_leased_;
  http::MetricCounter leases_expired_;
  http::MetricCounters failures_;
};

}  // namespace hnx::coordinator
