// What workers and people say and ask of scrubs.
#include "coordinator/rpc/coordinator_service.h"
#include "coordinator/rpc/scrub_messages.h"
#include "coordinator/rpc/worker_gateway.h"
#include "mirror/index_layout.h"

namespace hnx::coordinator {
namespace {

namespace pb = hypercore_nixos::v1;

// Of people who ask for a scrub, and of workers with nothing new to say.
constexpr std::uint32_t kNextScrubCallMs = 2'000;
constexpr std::size_t kTargetMax = 255;

}  // namespace

grpc::ServerUnaryReactor* WorkerGateway::ReportScrub(grpc::CallbackServerContext* context,
                                                     const pb::ScrubReport* request,
                                                     pb::ScrubOrders* response) {
  return rpc::HandleUnary(calls_, context, [=, this]() -> Result<void> {
    HNX_ASSIGN_OR_RETURN(const ScrubReport report, ScrubReportFromProto(*request));
    HNX_TRY(door_.CheckOwner(*context, request->worker_id()));
    HNX_ASSIGN_OR_RETURN(const std::vector<ScrubOrder> orders, scrubs_.Report(report));
    for (const ScrubOrder& order : orders) {
      pb::ScrubOrder& message = *response->add_now();
      message.set_key(ToString(order.key));
      message.set_ask(order.ask);
    }
    response->set_next_call_ms(kNextScrubCallMs);
    return {};
  });
}

grpc::ServerUnaryReactor* WorkerGateway::ListShardFiles(grpc::CallbackServerContext* context,
                                                        const pb::ListShardFilesRequest* request,
                                                        pb::ListShardFilesResponse* response) {
  return rpc::HandleUnary(calls_, context, [=, this]() -> Result<void> {
    const std::vector<std::string> names(request->files().begin(), request->files().end());
    bool safe = request->after().empty() || mirror::IsSafeName(request->after());
    for (const std::string& name : names) {
      safe = safe && mirror::IsSafeName(name);
    }
    if (request->key().size() != kScrubKeyBytes || !safe || names.size() > kShardFilesMax ||
        request->files_max() == 0 || request->files_max() > kShardFilesMax) {
      return InvalidArgument("list the files of a shard: a key of 32 bytes, safe names, at most " +
                             std::to_string(kShardFilesMax) + " of them");
    }
    HNX_TRY(door_.CheckOwner(*context, request->worker_id()));
    HNX_ASSIGN_OR_RETURN(const ShardFiles files,
                         scrubs_.ListFiles(request->worker_id(), ToBytes(request->key()),
                                           request->after(), names, request->files_max()));
    ShardFilesToProto(files, *response);
    return {};
  });
}

grpc::ServerUnaryReactor* CoordinatorService::Scrub(grpc::CallbackServerContext* context,
                                                    const pb::ScrubRequest* request,
                                                    pb::ScrubResponse* response) {
  return rpc::HandleUnary(calls_, context, [=, this]() -> Result<void> {
    if (request->target().size() > kTargetMax) {
      return InvalidArgument("no worker and no drive has such a long name");
    }
    HNX_ASSIGN_OR_RETURN(const std::vector<ScrubView> drives,
                         stores_.scrubs.Scrub(request->target(), request->now()));
    for (const ScrubView& drive : drives) {
      ScrubToProto(drive, *response->add_drives());
    }
    return {};
  });
}

}  // namespace hnx::coordinator
