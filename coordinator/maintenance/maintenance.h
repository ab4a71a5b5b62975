// Maintenance: the background services of a coordinator that belong to the store: leadership, lease
// reaper, planner, carrier of blocks, publisher, repairer, settler, retirer, chooser of the budget,
// pruner of the audit. One named thread each; all of them idle on a replica that does not lead.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/service.h"
#include "coordinator/store/batch_builder.h"
#include "coordinator/store/pg_budget_store.h"
#include "coordinator/store/pg_changes.h"
#include "coordinator/store/pg_leader.h"
#include "coordinator/store/pg_plan_store.h"
#include "coordinator/store/pg_pool.h"
#include "coordinator/store/pg_publish_store.h"
#include "coordinator/store/pg_retire_store.h"

namespace hnx::coordinator {

class Maintenance final : public Service {
 public:
  // All references must outlive this object.
  Maintenance(PgPool& pool, PgLeader& leader, const IndexDescription& description,
              PublishLimits publish_limits = {}, PlanStoreOptions plan_options = {},
              RetireOptions retire_options = {}, std::int64_t copies = 0,
              BudgetOptions budget_options = {}, std::chrono::milliseconds audit_keep = {});
  // Told how many leases the reaper took back, on its thread. Before Start.
  void OnLeasesExpired(std::function<void(std::uint64_t)> tell) { expired_ = std::move(tell); }
  ~Maintenance() override;

  void Start() override;
  void Stop() override;

 private:
  PgLeader& leader_;
  PgChanges changes_;
  std::function<void(std::uint64_t)> expired_ = [](std::uint64_t) {};
  std::vector<std::unique_ptr<Service>> services_;
};

}  // namespace hnx::coordinator
