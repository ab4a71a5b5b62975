#include "coordinator/maintenance/maintenance.h"

#include <utility>

#include "coordinator/maintenance/background_service.h"
#include "coordinator/maintenance/leader_service.h"
#include "coordinator/store/pg_audit.h"
#include "coordinator/store/pg_budget_store.h"
#include "coordinator/store/pg_copy_planner.h"
#include "coordinator/store/pg_lane_store.h"
#include "coordinator/store/pg_lease_reaper.h"
#include "coordinator/store/pg_loss_repairer.h"
#include "coordinator/store/pg_overview_store.h"
#include "coordinator/store/pg_settle_store.h"
#include "coordinator/store/pg_statistics.h"

namespace hnx::coordinator {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPlanInterval{200};
constexpr milliseconds kLaneInterval{100};
constexpr milliseconds kPublishInterval{100};
constexpr milliseconds kSettleInterval{250};
constexpr milliseconds kRetireInterval{1'000};
constexpr milliseconds kRepairInterval{250};
constexpr milliseconds kCopyInterval{1'000};
constexpr milliseconds kBudgetInterval{500};
constexpr milliseconds kFoldInterval{1'000};
constexpr milliseconds kAbandonedInterval{600'000};
constexpr milliseconds kAuditInterval{10'000};
constexpr milliseconds kStatisticsInterval{1'000};

}  // namespace

Maintenance::Maintenance(PgPool& pool, PgLeader& leader, const IndexDescription& description,
                         PublishLimits publish_limits, PlanStoreOptions plan_options,
                         RetireOptions retire_options, std::int64_t copies,
                         BudgetOptions budget_options, std::chrono::milliseconds audit_keep)
    : leader_(leader), changes_(pool) {
  const auto add = [&](const char* name, milliseconds interval, BackgroundService::Round round) {
    services_.push_back(
        std::make_unique<BackgroundService>(name, leader, changes_, interval, std::move(round)));
  };
  services_.push_back(std::make_unique<LeaderService>(leader));

  auto reaper = std::make_shared<PgLeaseReaper>(pool, leader);
  add("reaper", kReapInterval, [this, reaper]() -> Result<bool> {
    HNX_ASSIGN_OR_RETURN(const std::uint64_t reaped, reaper->Reap());
    expired_(reaped);
    HNX_TRY(reaper->FoldCounters());
    return reaped == static_cast<std::uint64_t>(kReapJobsMax);
  });
  add("abandoned", kAbandonedInterval, [reaper]() -> Result<bool> {
    HNX_TRY(reaper->DropAbandoned());
    return false;
  });

  auto statistics = std::make_shared<PgStatistics>(pool);
  add("statistics", kStatisticsInterval, [statistics]() -> Result<bool> {
    HNX_TRY(statistics->Refresh());
    return false;
  });

  auto overview = std::make_shared<PgOverviewStore>(pool, leader);
  add("counts", kFoldInterval, [overview]() -> Result<bool> {
    HNX_TRY(overview->FoldStates());
    return false;
  });

  auto planner = std::make_shared<PgPlanStore>(pool, leader, plan_options);
  add("planner", kPlanInterval, [planner] { return planner->PlanStep(); });
  auto blocker = std::make_shared<PgPlanStore>(pool, leader, plan_options);
  add("blocker", kPlanInterval, [blocker] { return blocker->BlockStep(); });

  auto lanes = std::make_shared<PgLaneStore>(pool, leader);
  add("lanes", kLaneInterval, [lanes] { return lanes->RelaneStep(); });

  auto publisher = std::make_shared<PgPublishStore>(pool, leader, description, publish_limits);
  add("publisher", kPublishInterval, [publisher]() -> Result<bool> {
    HNX_ASSIGN_OR_RETURN(const std::uint64_t paths, publisher->PlanBatch());
    return paths > 0;
  });

  auto repairer = std::make_shared<PgLossRepairer>(pool, leader);
  add("repairer", kRepairInterval, [repairer] { return repairer->RepairStep(); });

  auto copier = std::make_shared<PgCopyPlanner>(pool, leader, copies);
  add("copier", kCopyInterval, [copier] { return copier->AssignStep(); });

  auto settler = std::make_shared<PgSettleStore>(pool, leader, description);
  add("settler", kSettleInterval, [settler]() -> Result<bool> {
    HNX_TRY(settler->MarkSettled());
    return settler->SettleOne();
  });

  auto retirer = std::make_shared<PgRetireStore>(pool, leader, description, retire_options);
  add("retirer", kRetireInterval, [retirer] { return retirer->Step(); });

  auto budget = std::make_shared<PgBudgetStore>(pool, leader, std::move(budget_options));
  add("budget", kBudgetInterval, [budget] { return budget->Step(); });

  if (audit_keep.count() > 0) {
    auto audit = std::make_shared<PgAudit>(pool);
    add("audit", kAuditInterval, [audit, audit_keep] { return audit->Prune(audit_keep); });
  }
}

Maintenance::~Maintenance() {
  Stop();
}

void Maintenance::Start() {
  for (const auto& service : services_) {
    service->Start();
  }
}

void Maintenance::Stop() {
  // The leadership last, so that the others end their round under it.
  for (auto service = services_.rbegin(); service != services_.rend(); ++service) {
    (*service)->Stop();
  }
  leader_.Resign();
}

}  // namespace hnx::coordinator
