// CoordinatorService: the gRPC service that people and their programs call.
#pragma once

#include <string>
#include <vector>

#include "coordinator/store/pg_audit.h"
#include "coordinator/store/pg_budget_store.h"
#include "coordinator/store/pg_channel_store.h"
#include "coordinator/store/pg_control_store.h"
#include "coordinator/store/pg_hit_store.h"
#include "coordinator/store/pg_inventory_store.h"
#include "coordinator/store/pg_release_catalog.h"
#include "coordinator/store/pg_release_store.h"
#include "coordinator/store/pg_retire_store.h"
#include "coordinator/store/pg_scrub_store.h"
#include "hypercore_nixos/v1/coordinator.grpc.pb.h"
#include "rpc/door.h"
#include "rpc/handlers.h"
#include "rpc/stream_pool.h"
#include "rpc/thread_pool.h"

namespace hnx::coordinator {

// What the calls of release_calls.cc, channel_calls.cc, budget_calls.cc and inventory_calls.cc are
// answered from.
struct ReleaseStores {
  PgReleaseCatalog& catalog;
  PgChannelStore& channels;
  PgRetireStore& retirement;
  PgBudgetStore& budget;
  PgHitStore& hits;
  PgInventoryStore& inventory;
  PgScrubStore& scrubs;
  PgAudit& audit;
};

// Regular expressions of a request: few, short and right, or kInvalidArgument.
Result<std::vector<std::string>> ReadPatterns(
    const google::protobuf::RepeatedPtrField<std::string>& patterns);

struct CoordinatorServiceOptions {
  std::string upstream;
  double max_missing = 0.05;
};

class CoordinatorService final : public hypercore_nixos::v1::Coordinator::CallbackService {
 public:
  // The stores and the door must outlive this object; the server must be stopped before it goes.
  CoordinatorService(PgReleaseStore& store, PgControlStore& control, const rpc::Door& door,
                     ReleaseStores stores, CoordinatorServiceOptions options);

  // Ends watchers, so that the server can stop.
  void StopWatching();

  grpc::ServerReadReactor<hypercore_nixos::v1::SubmitRequest>* Submit(
      grpc::CallbackServerContext* context, hypercore_nixos::v1::SubmitResponse* response) override;
  grpc::ServerUnaryReactor* GetRelease(grpc::CallbackServerContext* context,
                                       const hypercore_nixos::v1::GetReleaseRequest* request,
                                       hypercore_nixos::v1::Release* response) override;
  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const hypercore_nixos::v1::GetStatusRequest* request,
                                      hypercore_nixos::v1::Status* response) override;
  grpc::ServerWriteReactor<hypercore_nixos::v1::Release>* WatchProgress(
      grpc::CallbackServerContext* context,
      const hypercore_nixos::v1::GetReleaseRequest* request) override;
  grpc::ServerWriteReactor<hypercore_nixos::v1::Failure>* ListFailures(
      grpc::CallbackServerContext* context,
      const hypercore_nixos::v1::ListFailuresRequest* request) override;
  grpc::ServerUnaryReactor* Why(grpc::CallbackServerContext* context,
                                const hypercore_nixos::v1::WhyRequest* request,
                                hypercore_nixos::v1::WhyResponse* response) override;
  // What operators do to work; in control_calls.cc.
  grpc::ServerUnaryReactor* Pause(grpc::CallbackServerContext* context,
                                  const hypercore_nixos::v1::PauseRequest* request,
                                  hypercore_nixos::v1::PauseResponse* response) override;
  grpc::ServerUnaryReactor* Resume(grpc::CallbackServerContext* context,
                                   const hypercore_nixos::v1::ResumeRequest* request,
                                   hypercore_nixos::v1::PauseResponse* response) override;
  grpc::ServerUnaryReactor* Cancel(grpc::CallbackServerContext* context,
                                   const hypercore_nixos::v1::CancelRequest* request,
                                   hypercore_nixos::v1::CancelResponse* response) override;
  grpc::ServerUnaryReactor* Retry(grpc::CallbackServerContext* context,
                                  const hypercore_nixos::v1::RetryRequest* request,
                                  hypercore_nixos::v1::FailuresChanged* response) override;
  grpc::ServerUnaryReactor* Ignore(grpc::CallbackServerContext* context,
                                   const hypercore_nixos::v1::IgnoreRequest* request,
                                   hypercore_nixos::v1::FailuresChanged* response) override;
  grpc::ServerUnaryReactor* SetPriority(grpc::CallbackServerContext* context,
                                        const hypercore_nixos::v1::SetPriorityRequest* request,
                                        hypercore_nixos::v1::Release* response) override;
  grpc::ServerUnaryReactor* Drain(grpc::CallbackServerContext* context,
                                  const hypercore_nixos::v1::DrainRequest* request,
                                  hypercore_nixos::v1::WorkerStatus* response) override;
  grpc::ServerUnaryReactor* ForgetWorker(
      grpc::CallbackServerContext* context, const hypercore_nixos::v1::ForgetWorkerRequest* request,
      hypercore_nixos::v1::ForgetWorkerResponse* response) override;

  // What operators list; in inventory_calls.cc.
  grpc::ServerWriteReactor<hypercore_nixos::v1::Drive>* ListDrives(
      grpc::CallbackServerContext* context,
      const hypercore_nixos::v1::ListDrivesRequest* request) override;
  grpc::ServerUnaryReactor* GetJobs(grpc::CallbackServerContext* context,
                                    const hypercore_nixos::v1::GetJobsRequest* request,
                                    hypercore_nixos::v1::JobList* response) override;
  // scrub_calls.cc
  grpc::ServerUnaryReactor* Scrub(grpc::CallbackServerContext* context,
                                  const hypercore_nixos::v1::ScrubRequest* request,
                                  hypercore_nixos::v1::ScrubResponse* response) override;

  // release_calls.cc
  grpc::ServerWriteReactor<hypercore_nixos::v1::Release>* ListReleases(
      grpc::CallbackServerContext* context,
      const hypercore_nixos::v1::ListReleasesRequest* request) override;
  grpc::ServerWriteReactor<hypercore_nixos::v1::ReleaseDifference>* DiffReleases(
      grpc::CallbackServerContext* context,
      const hypercore_nixos::v1::DiffReleasesRequest* request) override;
  grpc::ServerWriteReactor<hypercore_nixos::v1::ReleaseFileChunk>* ReadReleaseFile(
      grpc::CallbackServerContext* context,
      const hypercore_nixos::v1::ReadReleaseFileRequest* request) override;
  grpc::ServerUnaryReactor* PinRelease(grpc::CallbackServerContext* context,
                                       const hypercore_nixos::v1::PinReleaseRequest* request,
                                       hypercore_nixos::v1::Release* response) override;

  // channel_calls.cc
  grpc::ServerUnaryReactor* FollowChannels(
      grpc::CallbackServerContext* context,
      const hypercore_nixos::v1::FollowChannelsRequest* request,
      hypercore_nixos::v1::ChannelList* response) override;
  grpc::ServerUnaryReactor* UnfollowChannels(
      grpc::CallbackServerContext* context,
      const hypercore_nixos::v1::UnfollowChannelsRequest* request,
      hypercore_nixos::v1::ChannelList* response) override;
  grpc::ServerUnaryReactor* SetRetention(grpc::CallbackServerContext* context,
                                         const hypercore_nixos::v1::SetRetentionRequest* request,
                                         hypercore_nixos::v1::ChannelList* response) override;
  grpc::ServerWriteReactor<hypercore_nixos::v1::GarbageReport>* CollectGarbage(
      grpc::CallbackServerContext* context,
      const hypercore_nixos::v1::CollectGarbageRequest* request) override;
  // audit_calls.cc
  grpc::ServerWriteReactor<hypercore_nixos::v1::AuditEntry>* ListAudit(
      grpc::CallbackServerContext* context,
      const hypercore_nixos::v1::ListAuditRequest* request) override;
  // Of gateways; in budget_calls.cc.
  grpc::ServerUnaryReactor* ReportHits(grpc::CallbackServerContext* context,
                                       const hypercore_nixos::v1::ReportHitsRequest* request,
                                       hypercore_nixos::v1::ReportHitsResponse* response) override;

 private:
  // For the audit.
  Caller CallerOf(const grpc::CallbackServerContext& context) const;
  Result<NewRelease> ReadSubmission(const hypercore_nixos::v1::Submission& submission) const;
  // `has_end`: the client marks the list's last message.
  Result<Submitted> SubmitList(const NewRelease& release, bool has_end,
                               rpc::MessageReader<hypercore_nixos::v1::SubmitRequest>& in,
                               const Caller& caller);
  bool stopping() const;
  // Until the next look at a watched release, or the stop.
  void PauseWatching();
  // What retirement and the budget would begin with.
  Result<hypercore_nixos::v1::GarbageReport> ForeseeGarbage();
  Result<void> WatchGarbage(rpc::MessageWriter<hypercore_nixos::v1::GarbageReport>& out,
                            const Caller& caller);
  Result<void> Watch(ReleaseId release, rpc::MessageWriter<hypercore_nixos::v1::Release>& out);

  PgReleaseStore& store_;
  PgControlStore& control_;
  const rpc::Door& door_;
  const ReleaseStores stores_;
  const CoordinatorServiceOptions options_;
  mutable Mutex stop_mutex_;
  CondVar stop_changed_;
  bool stopping_ HNX_GUARDED_BY(stop_mutex_) = false;
  rpc::ThreadPool calls_;
  rpc::StreamPool watchers_;
};

}  // namespace hnx::coordinator
