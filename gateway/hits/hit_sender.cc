// MakeHitSender, of hit_reporter.h: what knows gRPC.
#include <memory>

#include <fmt/format.h>
#include <grpcpp/client_context.h>

#include "base/retry_policy.h"
#include "gateway/hits/hit_reporter.h"
#include "hypercore_nixos/v1/coordinator.grpc.pb.h"
#include "rpc/channel.h"
#include "rpc/failover_channels.h"
#include "rpc/grpc_status.h"

namespace hnx::gateway {
namespace {

namespace pb = hypercore_nixos::v1;

// Short, so that a gateway that is stopped ends soon.
constexpr std::chrono::milliseconds kReportDeadline{3'000};

}  // namespace

Result<HitReporter::Send> MakeHitSender(const std::vector<std::string>& coordinators,
                                        const access::ClientAccess& access) {
  std::vector<std::string> endpoints;
  for (const std::string& coordinator : coordinators) {
    HNX_ASSIGN_OR_RETURN(const std::vector<std::string> parsed, rpc::ParseEndpoints(coordinator));
    endpoints.insert(endpoints.end(), parsed.begin(), parsed.end());
  }
  if (endpoints.empty() || endpoints.size() > rpc::kEndpointsMax) {
    return InvalidArgument(fmt::format("--coordinator: give 1 to {} of them", rpc::kEndpointsMax));
  }
  // Shared: std::function wants what it holds to be copyable.
  HNX_ASSIGN_OR_RETURN(auto credentials, rpc::ClientCredentials::Make(access, endpoints));
  auto channels =
      std::make_shared<rpc::FailoverChannels>(std::move(endpoints), std::move(credentials));
  return HitReporter::Send([channels](const HitReport& report) -> Result<void> {
    pb::ReportHitsRequest request;
    request.set_gateway_id(report.gateway);
    request.set_sequence(report.sequence);
    for (const Hit& hit : report.hits) {
      pb::PathHits& path = *request.add_hits();
      path.set_hash(hit.hash);
      path.set_count(hit.count);
    }
    const auto to = channels->current();
    const auto context = rpc::MakeContext(kReportDeadline);
    const auto stub = pb::Coordinator::NewStub(to.channel);
    pb::ReportHitsResponse response;
    auto sent = rpc::CheckStatus(stub->ReportHits(context.get(), request, &response),
                                 "report hits to " + to.endpoint);
    if (!sent.has_value() && IsRetryable(sent.error().code)) {
      channels->Failed(to);
    }
    return sent;
  });
}

}  // namespace hnx::gateway
