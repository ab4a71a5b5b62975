// The calls of CoordinatorService with which operators hold, end, order and accept work.
#include <algorithm>

#include <fmt/format.h>

#include "coordinator/rpc/caller.h"
#include "coordinator/rpc/coordinator_service.h"
#include "coordinator/rpc/path_argument.h"
#include "coordinator/rpc/release_to_proto.h"

namespace hnx::coordinator {
namespace {

namespace pb = hypercore_nixos::v1;

// Goes into SQL, manifests and terminals.
Result<std::string> ReadReason(const std::string& text, std::string_view otherwise) {
  if (text.size() > kControlReasonMax) {
    return InvalidArgument(
        fmt::format("the reason is longer than {} characters", kControlReasonMax));
  }
  const bool blank = std::ranges::all_of(text, [](unsigned char c) { return c <= ' '; });
  if (std::ranges::any_of(text, [](unsigned char c) { return c < ' ' || c == 0x7f; })) {
    return InvalidArgument("the reason must be one line of text");
  }
  return blank ? std::string(otherwise) : text;
}

Result<PauseTarget> ReadTarget(const pb::PauseTarget& target) {
  switch (target.target_case()) {
    case pb::PauseTarget::kEverything:
      return PauseTarget{.kind = PauseTarget::Kind::kEverything};
    case pb::PauseTarget::kReleaseId:
      return PauseTarget{.kind = PauseTarget::Kind::kRelease,
                         .release = static_cast<std::int64_t>(target.release_id())};
    case pb::PauseTarget::kUpstream:
      return PauseTarget{.kind = PauseTarget::Kind::kUpstream, .name = target.upstream()};
    case pb::PauseTarget::kWorker:
      return PauseTarget{.kind = PauseTarget::Kind::kWorker, .name = target.worker()};
    case pb::PauseTarget::TARGET_NOT_SET:
      break;
  }
  return InvalidArgument("say what: a release, an upstream, a worker or everything");
}

void TellPause(const PauseOutcome& outcome, pb::PauseResponse& response) {
  response.set_what(outcome.what);
  response.set_changed(outcome.changed);
}

template <class Request>
Result<FailureSelection> ReadSelection(const Request& request) {
  FailureSelection selection{.release = static_cast<std::int64_t>(request.release_id()),
                             .reason = request.reason()};
  if (static_cast<std::size_t>(request.store_paths_size()) > kControlPathsMax) {
    return InvalidArgument(fmt::format("more than {} paths in one call", kControlPathsMax));
  }
  for (const std::string& path : request.store_paths()) {
    HNX_ASSIGN_OR_RETURN(std::string hash, HashPartOf(path));
    selection.hashes.push_back(std::move(hash));
  }
  return selection;
}

void TellChanged(const FailuresChanged& changed, pb::FailuresChanged& response) {
  response.set_release_id(static_cast<std::uint64_t>(changed.release));
  response.set_paths(changed.paths);
}

}  // namespace

grpc::ServerUnaryReactor* CoordinatorService::Pause(grpc::CallbackServerContext* context,
                                                    const pb::PauseRequest* request,
                                                    pb::PauseResponse* response) {
  return rpc::HandleUnary(calls_, context, [=, this]() -> Result<void> {
    HNX_ASSIGN_OR_RETURN(const PauseTarget target, ReadTarget(request->target()));
    HNX_ASSIGN_OR_RETURN(const std::string reason,
                         ReadReason(request->reason(), "no reason was given"));
    HNX_ASSIGN_OR_RETURN(const PauseOutcome outcome,
                         control_.Pause(target, reason, CallerOf(*context)));
    TellPause(outcome, *response);
    return {};
  });
}

grpc::ServerUnaryReactor* CoordinatorService::Resume(grpc::CallbackServerContext* context,
                                                     const pb::ResumeRequest* request,
                                                     pb::PauseResponse* response) {
  return rpc::HandleUnary(calls_, context, [=, this]() -> Result<void> {
    HNX_ASSIGN_OR_RETURN(const PauseTarget target, ReadTarget(request->target()));
    HNX_ASSIGN_OR_RETURN(const PauseOutcome outcome, control_.Resume(target, CallerOf(*context)));
    TellPause(outcome, *response);
    return {};
  });
}

grpc::ServerUnaryReactor* CoordinatorService::Cancel(grpc::CallbackServerContext* context,
                                                     const pb::CancelRequest* request,
                                                     pb::CancelResponse* response) {
  return rpc::HandleUnary(calls_, context, [=, this]() -> Result<void> {
    const auto release = static_cast<ReleaseId>(request->release_id());
    HNX_ASSIGN_OR_RETURN(const std::string reason,
                         ReadReason(request->reason(), "cancelled by an operator"));
    HNX_ASSIGN_OR_RETURN(const std::uint64_t ended,
                         control_.Cancel(release, reason, CallerOf(*context)));
    HNX_ASSIGN_OR_RETURN(const ReleaseView view, store_.Get(release));
    *response->mutable_release() = ReleaseToProto(view);
    response->set_leases_ended(ended);
    return {};
  });
}

grpc::ServerUnaryReactor* CoordinatorService::Retry(grpc::CallbackServerContext* context,
                                                    const pb::RetryRequest* request,
                                                    pb::FailuresChanged* response) {
  return rpc::HandleUnary(calls_, context, [=, this]() -> Result<void> {
    HNX_ASSIGN_OR_RETURN(const FailureSelection selection, ReadSelection(*request));
    HNX_ASSIGN_OR_RETURN(const FailuresChanged changed,
                         control_.Retry(selection, CallerOf(*context)));
    TellChanged(changed, *response);
    return {};
  });
}

grpc::ServerUnaryReactor* CoordinatorService::Ignore(grpc::CallbackServerContext* context,
                                                     const pb::IgnoreRequest* request,
                                                     pb::FailuresChanged* response) {
  return rpc::HandleUnary(calls_, context, [=, this]() -> Result<void> {
    HNX_ASSIGN_OR_RETURN(const FailureSelection selection, ReadSelection(*request));
    HNX_ASSIGN_OR_RETURN(const std::string note, ReadReason(request->note(), ""));
    if (note.empty() && !request->undo()) {
      return InvalidArgument("say why these failures are accepted: the manifest tells it");
    }
    if (selection.hashes.empty() && selection.reason.empty()) {
      return InvalidArgument("say which failures: by path or by reason");
    }
    HNX_ASSIGN_OR_RETURN(
        const FailuresChanged changed,
        control_.Accept(selection, request->undo() ? "" : note, CallerOf(*context)));
    TellChanged(changed, *response);
    return {};
  });
}

grpc::ServerUnaryReactor* CoordinatorService::SetPriority(grpc::CallbackServerContext* context,
                                                          const pb::SetPriorityRequest* request,
                                                          pb::Release* response) {
  return rpc::HandleUnary(calls_, context, [=, this]() -> Result<void> {
    const auto release = static_cast<ReleaseId>(request->release_id());
    HNX_TRY(CheckPriority(request->priority()));
    HNX_TRY(control_.SetPriority(release, request->priority(), CallerOf(*context)));
    HNX_ASSIGN_OR_RETURN(const ReleaseView view, store_.Get(release));
    *response = ReleaseToProto(view);
    return {};
  });
}

grpc::ServerUnaryReactor* CoordinatorService::Drain(grpc::CallbackServerContext* context,
                                                    const pb::DrainRequest* request,
                                                    pb::WorkerStatus* response) {
  return rpc::HandleUnary(calls_, context, [=, this]() -> Result<void> {
    HNX_ASSIGN_OR_RETURN(const std::string id,
                         control_.Drain(request->worker(), request->undo(), CallerOf(*context)));
    HNX_ASSIGN_OR_RETURN(const StatusView status, store_.GetStatus());
    for (const WorkerView& worker : status.workers) {
      if (worker.id == id) {
        *response = WorkerToProto(worker);
      }
    }
    return {};
  });
}

grpc::ServerUnaryReactor* CoordinatorService::ForgetWorker(grpc::CallbackServerContext* context,
                                                           const pb::ForgetWorkerRequest* request,
                                                           pb::ForgetWorkerResponse* response) {
  return rpc::HandleUnary(calls_, context, [=, this]() -> Result<void> {
    HNX_ASSIGN_OR_RETURN(const ForgottenWorker forgotten,
                         control_.ForgetWorker(request->worker(), CallerOf(*context)));
    response->set_id(forgotten.id);
    response->set_name(forgotten.name);
    response->set_shards_lost(forgotten.shards_lost);
    response->set_nars(forgotten.nars);
    response->set_bytes(forgotten.bytes);
    return {};
  });
}

}  // namespace hnx::coordinator
