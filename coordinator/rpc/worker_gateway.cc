#include "coordinator/rpc/worker_gateway.h"

#include <utility>

#include "coordinator/rpc/report_from_proto.h"
#include "rpc/handlers.h"

namespace hnx::coordinator {
namespace {

namespace pb = hypercore_nixos::v1;

constexpr std::size_t kCallThreads = 4;
constexpr std::size_t kCallQueueMax = 1'024;
constexpr std::size_t kStreamsMax = 16;

pb::PublishOperation StepToProto(PublishStep step) {
  pb::PublishOperation operation;
  switch (step.kind) {
    case PublishStep::Kind::kPut:
      operation.mutable_put()->set_path(step.path);
      operation.mutable_put()->set_size(step.size_bytes);
      operation.mutable_put()->set_sha256(ToString(step.sha256));
      operation.mutable_put()->set_data(ToString(step.data));
      break;
    case PublishStep::Kind::kMore:
      operation.set_more(ToString(step.data));
      break;
    case PublishStep::Kind::kLink:
      operation.mutable_link()->set_path(step.path);
      operation.mutable_link()->set_linkname(step.linkname);
      operation.mutable_link()->set_metadata_json(step.metadata);
      break;
    case PublishStep::Kind::kRemove:
      operation.set_remove(step.path);
      break;
  }
  return operation;
}

}  // namespace

WorkerGateway::WorkerGateway(PgSynchronizer& synchronizer, PgPublishStore& publish_store,
                             PgScrubStore& scrubs, WorkerDoor& door, WorkerGatewayOptions options)
    : synchronizer_(synchronizer),
      publish_store_(publish_store),
      scrubs_(scrubs),
      door_(door),
      options_(options),
      calls_("worker-calls", kCallThreads, kCallQueueMax),
      streams_("batch-streams", kStreamsMax) {}

grpc::ServerUnaryReactor* WorkerGateway::Synchronize(grpc::CallbackServerContext* context,
                                                     const pb::SynchronizeRequest* request,
                                                     pb::SynchronizeResponse* response) {
  return rpc::HandleUnary(calls_, context,
                          [=, this] { return Handle(*context, *request, *response); });
}

Result<void> WorkerGateway::Handle(const grpc::CallbackServerContext& context,
                                   const pb::SynchronizeRequest& request,
                                   pb::SynchronizeResponse& response) {
  HNX_ASSIGN_OR_RETURN(WorkerReport report, ReportFromProto(request));
  HNX_TRY(door_.Identify(context, report));
  const auto desired = synchronizer_.Synchronize(report);
  if (!desired.has_value()) {
    door_.TellRefusal(context, report.worker_id, desired.error());
    return desired.error();
  }
  DesiredToProto(*desired, response);
  response.set_lease_ms(static_cast<std::uint32_t>(options_.lease.count()));
  const auto next = desired->idle ? options_.idle_call : options_.busy_call;
  response.set_next_call_ms(static_cast<std::uint32_t>(next.count()));
  response.set_download_rate_max(options_.download_rate_max);
  return {};
}

grpc::ServerWriteReactor<pb::PublishOperation>* WorkerGateway::ReadPublishBatch(
    grpc::CallbackServerContext* context, const pb::ReadPublishBatchRequest* request) {
  const auto batch = static_cast<std::int64_t>(request->batch());
  return rpc::HandleServerStream<pb::PublishOperation>(
      streams_, context, [this, batch](rpc::MessageWriter<pb::PublishOperation>& out) {
        return publish_store_.ReadBatch(batch, [&](PublishStep step) {
          const pb::PublishOperation operation = StepToProto(std::move(step));
          return out.Write(operation);
        });
      });
}

}  // namespace hnx::coordinator
