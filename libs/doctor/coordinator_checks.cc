#include "doctor/coordinator_checks.h"

#include <chrono>

#include <fmt/format.h>

#include "hypercore_nixos/v1/coordinator.grpc.pb.h"
#include "rpc/channel.h"

namespace hnx::doctor {
namespace {

namespace pb = hypercore_nixos::v1;

constexpr std::chrono::milliseconds kAnswerWithin{5'000};

}  // namespace

void CheckCoordinators(cli::Checkup& checkup, const std::vector<std::string>& endpoints,
                       const access::ClientAccess& access) {
  const auto credentials = rpc::ClientCredentials::Make(access, endpoints);
  if (!credentials.has_value()) {
    return;  // was told by access::CheckClient
  }
  std::vector<std::string> silent;
  std::string why;
  for (const std::string& endpoint : endpoints) {
    const auto stub = pb::Coordinator::NewStub(rpc::MakeChannel(endpoint, **credentials));
    const auto context = rpc::MakeContext(kAnswerWithin);
    pb::Status answer;
    const grpc::Status status = stub->GetStatus(context.get(), pb::GetStatusRequest(), &answer);
    // Let in and known as somebody for whom this call is not.
    if (!status.ok() && status.error_code() != grpc::StatusCode::PERMISSION_DENIED) {
      silent.push_back(endpoint);
      why = status.error_message();
    }
  }
  const std::string remedy =
      "start `coordinator serve` there with a --listen that this machine reaches, correct "
      "--coordinator, see firewalls in between, or whether both sides speak TLS and believe each "
      "other's authority (docs/TLS.md)";
  if (silent.size() == endpoints.size()) {
    checkup.Fault("coordinator",
                  fmt::format("none answers at {} ({})", fmt::join(silent, ", "), why), remedy);
  } else if (!silent.empty()) {
    checkup.Warn("coordinator",
                 fmt::format("{} of {} do not answer: {} ({})", silent.size(), endpoints.size(),
                             fmt::join(silent, ", "), why),
                 remedy);
  } else {
    checkup.Ok("coordinator", fmt::format("{} answers", fmt::join(endpoints, ", ")));
  }
}

}  // namespace hnx::doctor
