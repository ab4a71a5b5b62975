// The calls of CoordinatorService about what a mirror with a budget holds.
#include "coordinator/rpc/channel_to_proto.h"
#include "coordinator/rpc/coordinator_service.h"

namespace hnx::coordinator {

namespace pb = hypercore_nixos::v1;

grpc::ServerUnaryReactor* CoordinatorService::ReportHits(grpc::CallbackServerContext* context,
                                                         const pb::ReportHitsRequest* request,
                                                         pb::ReportHitsResponse* /*response*/) {
  return rpc::HandleUnary(calls_, context, [=, this]() -> Result<void> {
    // Before anything is made of it.
    if (static_cast<std::size_t>(request->hits_size()) > kHitsPerReportMax) {
      return InvalidArgument("a report of hits names too many paths");
    }
    HitReport report{.gateway = request->gateway_id(), .sequence = request->sequence()};
    for (const pb::PathHits& path : request->hits()) {
      report.hits.push_back({.hash = path.hash(), .count = path.count()});
    }
    HNX_TRY(stores_.hits.Take(report));
    return {};
  });
}

Result<pb::GarbageReport> CoordinatorService::ForeseeGarbage() {
  HNX_ASSIGN_OR_RETURN(const GarbageView view, stores_.retirement.Look(true));
  pb::GarbageReport report = GarbageToProto(view);
  HNX_ASSIGN_OR_RETURN(const BudgetForecast forecast, stores_.budget.Foresee());
  report.set_budget_paths(forecast.paths);
  report.set_budget_nars(forecast.nars);
  report.set_budget_bytes(forecast.bytes);
  return report;
}

}  // namespace hnx::coordinator
