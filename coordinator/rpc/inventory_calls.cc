// The calls of CoordinatorService that list drives and leases.
#include "base/hex.h"
#include "coordinator/rpc/coordinator_service.h"
#include "mirror/format/publish_format.h"

namespace hnx::coordinator {
namespace {

namespace pb = hypercore_nixos::v1;

pb::Drive DriveToProto(const DriveView& view) {
  pb::Drive drive;
  drive.set_id_z32(mirror::DriveIdOf(view.key));
  drive.set_key_hex(EncodeHex(view.key));
  drive.set_role(view.is_index ? "index" : "shard");
  drive.set_worker_id(view.worker_id);
  drive.set_worker_name(view.worker_name);
  drive.set_state(view.state);
  drive.set_reason(view.reason);
  drive.set_length(view.length);
  drive.set_bytes(view.bytes);
  drive.set_nars(view.nars);
  drive.set_copies(view.copies);
  drive.set_copies_whole(view.copies_whole);
  drive.set_created_at_ms(view.created_at_ms.value_or(0));
  drive.set_published_at_ms(view.published_at_ms.value_or(0));
  return drive;
}

pb::Lease LeaseToProto(const LeaseView& view) {
  pb::Lease lease;
  lease.set_job_id(view.job_id);
  lease.set_worker_id(view.worker_id);
  lease.set_worker_name(view.worker_name);
  lease.set_release_id(view.release_id);
  lease.set_attempt(view.attempt);
  lease.set_nars(view.nars);
  lease.set_bytes(view.bytes);
  lease.set_bytes_done(view.bytes_done);
  lease.set_leased_at_ms(view.leased_at_ms);
  lease.set_expires_at_ms(view.expires_at_ms);
  lease.set_late(view.late);
  return lease;
}

}  // namespace

grpc::ServerWriteReactor<pb::Drive>* CoordinatorService::ListDrives(
    grpc::CallbackServerContext* context, const pb::ListDrivesRequest* request) {
  return rpc::HandleServerStream<pb::Drive>(
      watchers_, context,
      [this, filter = DriveFilter{.worker = request->worker(),
                                  .state = request->state(),
                                  .limit = request->limit()}](rpc::MessageWriter<pb::Drive>& out) {
        return stores_.inventory.ListDrives(filter, [&](const DriveView& view) {
          const pb::Drive message = DriveToProto(view);
          return out.Write(message);
        });
      });
}

grpc::ServerUnaryReactor* CoordinatorService::GetJobs(grpc::CallbackServerContext* context,
                                                      const pb::GetJobsRequest* request,
                                                      pb::JobList* response) {
  return rpc::HandleUnary(calls_, context, [=, this]() -> Result<void> {
    HNX_ASSIGN_OR_RETURN(
        const JobsView view,
        stores_.inventory.Jobs({.worker = request->worker(),
                                .state = request->state(),
                                .limit = request->limit() > 0 ? request->limit() : kLeasesListed}));
    for (const QueueView& queued : view.queue) {
      pb::QueuedNars& message = *response->add_queue();
      message.set_state(queued.state);
      message.set_count(queued.count);
      message.set_oldest_at_ms(queued.oldest_at_ms.value_or(0));
    }
    response->set_leases(view.leases);
    for (const LeaseView& lease : view.listed) {
      *response->add_jobs() = LeaseToProto(lease);
    }
    return {};
  });
}

}  // namespace hnx::coordinator
