// WorkerGateway: the gRPC service that workers call. Reactions hand over to a fixed pool of
// threads, which does the SQL; streams have a pool of their own.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/bytes.h"
#include "coordinator/rpc/worker_door.h"
#include "coordinator/store/pg_publish_store.h"
#include "coordinator/store/pg_scrub_store.h"
#include "coordinator/store/pg_synchronizer.h"
#include "hypercore_nixos/v1/coordinator.grpc.pb.h"
#include "rpc/stream_pool.h"
#include "rpc/thread_pool.h"

namespace hnx::coordinator {

struct WorkerGatewayOptions {
  std::chrono::milliseconds lease{12'000};
  std::chrono::milliseconds busy_call{250};  // while releases are at work
  std::chrono::milliseconds idle_call{1'000};
  std::uint64_t download_rate_max = 0;
};

class WorkerGateway final : public hypercore_nixos::v1::WorkerGateway::CallbackService {
 public:
  // The stores and the door must outlive this object; the server must be stopped before it goes.
  WorkerGateway(PgSynchronizer& synchronizer, PgPublishStore& publish_store, PgScrubStore& scrubs,
                WorkerDoor& door, WorkerGatewayOptions options);

  grpc::ServerUnaryReactor* Synchronize(
      grpc::CallbackServerContext* context, const hypercore_nixos::v1::SynchronizeRequest* request,
      hypercore_nixos::v1::SynchronizeResponse* response) override;
  grpc::ServerWriteReactor<hypercore_nixos::v1::PublishOperation>* ReadPublishBatch(
      grpc::CallbackServerContext* context,
      const hypercore_nixos::v1::ReadPublishBatchRequest* request) override;
  // scrub_calls.cc
  grpc::ServerUnaryReactor* ReportScrub(grpc::CallbackServerContext* context,
                                        const hypercore_nixos::v1::ScrubReport* request,
                                        hypercore_nixos::v1::ScrubOrders* response) override;
  grpc::ServerUnaryReactor* ListShardFiles(
      grpc::CallbackServerContext* context,
      const hypercore_nixos::v1::ListShardFilesRequest* request,
      hypercore_nixos::v1::ListShardFilesResponse* response) override;

 private:
  Result<void> Handle(const grpc::CallbackServerContext& context,
                      const hypercore_nixos::v1::SynchronizeRequest& request,
                      hypercore_nixos::v1::SynchronizeResponse& response);

  PgSynchronizer& synchronizer_;
  PgPublishStore& publish_store_;
  PgScrubStore& scrubs_;
  WorkerDoor& door_;
  const WorkerGatewayOptions options_;
  rpc::ThreadPool calls_;
  rpc::StreamPool streams_;
};

}  // namespace hnx::coordinator
