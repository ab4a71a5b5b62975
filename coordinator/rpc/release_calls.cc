// The calls of CoordinatorService about releases that came and go.
#include "coordinator/rpc/caller.h"
#include "coordinator/rpc/coordinator_service.h"
#include "coordinator/rpc/release_to_proto.h"

namespace hnx::coordinator {

namespace pb = hypercore_nixos::v1;

grpc::ServerWriteReactor<pb::Release>* CoordinatorService::ListReleases(
    grpc::CallbackServerContext* context, const pb::ListReleasesRequest* request) {
  return rpc::HandleServerStream<pb::Release>(
      watchers_, context,
      [this, channel = request->channel()](rpc::MessageWriter<pb::Release>& out) {
        return stores_.catalog.List(channel, [&](const ReleaseView& view) {
          const pb::Release message = ReleaseToProto(view);
          return out.Write(message);
        });
      });
}

grpc::ServerWriteReactor<pb::ReleaseDifference>* CoordinatorService::DiffReleases(
    grpc::CallbackServerContext* context, const pb::DiffReleasesRequest* request) {
  const auto diff = [this, from_name = request->from(), to_name = request->to()](
                        rpc::MessageWriter<pb::ReleaseDifference>& out) -> Result<void> {
    HNX_ASSIGN_OR_RETURN(const ReleaseId from, stores_.catalog.Find(from_name));
    HNX_ASSIGN_OR_RETURN(const ReleaseId to, stores_.catalog.Find(to_name));
    HNX_ASSIGN_OR_RETURN(const DifferenceTotals totals,
                         stores_.catalog.Diff(from, to, [&](const PathDifference& path) {
                           const pb::ReleaseDifference message = DifferenceToProto(path);
                           return out.Write(message);
                         }));
    const pb::ReleaseDifference last = TotalsToProto(totals);
    return out.Write(last);
  };
  return rpc::HandleServerStream<pb::ReleaseDifference>(watchers_, context, diff);
}

grpc::ServerWriteReactor<pb::ReleaseFileChunk>* CoordinatorService::ReadReleaseFile(
    grpc::CallbackServerContext* context, const pb::ReadReleaseFileRequest* request) {
  const auto read = [this, name = request->release(), file = request->file()](
                        rpc::MessageWriter<pb::ReleaseFileChunk>& out) -> Result<void> {
    HNX_ASSIGN_OR_RETURN(const ReleaseId release, stores_.catalog.Find(name));
    return stores_.catalog.ReadFile(release, file, [&](ByteView bytes) {
      pb::ReleaseFileChunk chunk;
      chunk.set_data(ToString(bytes));
      return out.Write(chunk);
    });
  };
  return rpc::HandleServerStream<pb::ReleaseFileChunk>(watchers_, context, read);
}

grpc::ServerUnaryReactor* CoordinatorService::PinRelease(grpc::CallbackServerContext* context,
                                                         const pb::PinReleaseRequest* request,
                                                         pb::Release* response) {
  return rpc::HandleUnary(calls_, context, [=, this]() -> Result<void> {
    HNX_ASSIGN_OR_RETURN(const ReleaseId release, stores_.catalog.Find(request->release()));
    HNX_TRY(stores_.catalog.Pin(release, request->pinned(), CallerOf(*context)));
    HNX_ASSIGN_OR_RETURN(const ReleaseView view, store_.Get(release));
    *response = ReleaseToProto(view);
    return {};
  });
}

}  // namespace hnx::coordinator
