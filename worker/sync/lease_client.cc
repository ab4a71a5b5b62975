#include "worker/sync/lease_client.h"

#include <set>
#include <utility>

#include <fmt/core.h>
#include <grpcpp/client_context.h>

#include "base/mutex.h"
#include "hypercore_nixos/v1/coordinator.grpc.pb.h"
#include "rpc/channel.h"
#include "rpc/failover_channels.h"
#include "rpc/grpc_status.h"

namespace hnx::worker {
namespace {

namespace pb = hypercore_nixos::v1;

class GrpcLeaseClient final : public LeaseClient {
 public:
  GrpcLeaseClient(std::vector<std::string> endpoints,
                  std::shared_ptr<const rpc::ClientCredentials> credentials)
      : channels_(std::move(endpoints), std::move(credentials)) {}

  Result<pb::SynchronizeResponse> Synchronize(const pb::SynchronizeRequest& request) override {
    const Call call(*this, kSynchronizeDeadline);
    pb::SynchronizeResponse response;
    HNX_TRY(
        Check(call, call.stub().Synchronize(call.context(), request, &response), "synchronize"));
    return response;
  }

  Result<void> ReadPublishBatch(std::uint64_t batch, const OperationSink& sink) override {
    const Call call(*this, kReadPublishBatchDeadline);
    pb::ReadPublishBatchRequest request;
    request.set_batch(batch);
    const auto stream = call.stub().ReadPublishBatch(call.context(), request);
    pb::PublishOperation operation;
    while (stream->Read(&operation)) {
      auto taken = sink(operation);
      if (!taken.has_value()) {
        call.context()->TryCancel();
        (void)stream->Finish();
        return taken;
      }
    }
    return Check(call, stream->Finish(), "read publish batch");
  }

  Result<pb::ScrubOrders> ReportScrub(const pb::ScrubReport& report) override {
    const Call call(*this, kScrubDeadline);
    pb::ScrubOrders orders;
    HNX_TRY(
        Check(call, call.stub().ReportScrub(call.context(), report, &orders), "report a scrub"));
    return orders;
  }

  Result<pb::ListShardFilesResponse> ListShardFiles(
      const pb::ListShardFilesRequest& request) override {
    const Call call(*this, kScrubDeadline);
    pb::ListShardFilesResponse response;
    HNX_TRY(Check(call, call.stub().ListShardFiles(call.context(), request, &response),
                  "list a shard's files"));
    return response;
  }

  void Stop() override {
    MutexLock lock(mutex_);
    stopped_ = true;
    for (grpc::ClientContext* context : running_) {
      context->TryCancel();
    }
  }

 private:
  // One call: its context is known to Stop while it runs.
  class Call {
   public:
    Call(GrpcLeaseClient& client, std::chrono::milliseconds deadline)
        : client_(client),
          to_(client.channels_.current()),
          context_(rpc::MakeContext(deadline)),
          stub_(pb::WorkerGateway::NewStub(to_.channel)) {
      MutexLock lock(client_.mutex_);
      client_.running_.insert(context_.get());
      if (client_.stopped_) {
        context_->TryCancel();
      }
    }
    ~Call() {
      MutexLock lock(client_.mutex_);
      client_.running_.erase(context_.get());
    }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    Call(Call&&) = delete;
    Call& operator=(Call&&) = delete;

    const rpc::FailoverChannels::Current& to() const { return to_; }
    grpc::ClientContext* context() const { return context_.get(); }
    pb::WorkerGateway::Stub& stub() const { return *stub_; }

   private:
    GrpcLeaseClient& client_;
    rpc::FailoverChannels::Current to_;
    std::unique_ptr<grpc::ClientContext> context_;
    std::unique_ptr<pb::WorkerGateway::Stub> stub_;
  };

  Result<void> Check(const Call& call, const grpc::Status& status, std::string_view what) {
    auto result = rpc::CheckStatus(status, fmt::format("{} with {}", what, call.to().endpoint));
    if (!result.has_value() && (result.error().code == ErrorCode::kUnavailable ||
                                result.error().code == ErrorCode::kDeadlineExceeded)) {
      channels_.Failed(call.to());
    }
    return result;
  }

  rpc::FailoverChannels channels_;
  Mutex mutex_;
  std::set<grpc::ClientContext*> running_ HNX_GUARDED_BY(mutex_);
  bool stopped_ HNX_GUARDED_BY(mutex_) = false;
};

}  // namespace

Result<std::unique_ptr<LeaseClient>> MakeGrpcLeaseClient(std::vector<std::string> endpoints,
                                                         const access::ClientAccess& access) {
  HNX_ASSIGN_OR_RETURN(auto credentials, rpc::ClientCredentials::Make(access, endpoints));
  return std::make_unique<GrpcLeaseClient>(std::move(endpoints), std::move(credentials));
}

}  // namespace hnx::worker
