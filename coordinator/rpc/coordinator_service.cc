#include "coordinator/rpc/coordinator_service.h"

#include <chrono>
#include <regex>

#include <fmt/format.h>

#include "base/retry_policy.h"
#include "coordinator/rpc/caller.h"
#include "coordinator/rpc/channel_to_proto.h"
#include "coordinator/rpc/list_submission.h"
#include "coordinator/rpc/path_argument.h"
#include "coordinator/rpc/path_to_proto.h"
#include "coordinator/rpc/release_to_proto.h"
#include "mirror/index_layout.h"

namespace hnx::coordinator {
namespace {

namespace pb = hypercore_nixos::v1;

constexpr std::size_t kCallThreads = 4;
constexpr std::size_t kCallQueueMax = 256;
constexpr std::size_t kWatchersMax = 32;
constexpr int kPatternsMax = 64;
constexpr std::size_t kPatternLengthMax = 512;
// At most four messages a second; one look at the database each.
constexpr std::chrono::milliseconds kWatchInterval{250};
constexpr int kWatchTroublesMax = 40;

bool HasEnded(const pb::Release& release) {
  return release.state() == pb::RELEASE_STATE_SETTLED ||
         release.state() == pb::RELEASE_STATE_PLANNED ||
         release.state() == pb::RELEASE_STATE_REFUSED ||
         release.state() == pb::RELEASE_STATE_CANCELLED ||
         release.state() == pb::RELEASE_STATE_RETIRING ||
         release.state() == pb::RELEASE_STATE_RETIRED;
}

}  // namespace

Result<std::vector<std::string>> ReadPatterns(
    const google::protobuf::RepeatedPtrField<std::string>& patterns) {
  if (patterns.size() > kPatternsMax) {
    return InvalidArgument(fmt::format("submit: more than {} patterns", kPatternsMax));
  }
  std::vector<std::string> read;
  for (const std::string& pattern : patterns) {
    if (pattern.size() > kPatternLengthMax) {
      return InvalidArgument(
          fmt::format("submit: a pattern is longer than {} characters", kPatternLengthMax));
    }
    try {
      (void)std::regex(pattern, std::regex::ECMAScript);
    } catch (const std::regex_error& error) {
      return InvalidArgument(
          fmt::format("submit: \"{}\" is no regular expression: {}", pattern, error.what()));
    }
    read.push_back(pattern);
  }
  return read;
}

CoordinatorService::CoordinatorService(PgReleaseStore& store, PgControlStore& control,
                                       const rpc::Door& door, ReleaseStores stores,
                                       CoordinatorServiceOptions options)
    : store_(store),
      control_(control),
      door_(door),
      stores_(stores),
      options_(std::move(options)),
      calls_("client-calls", kCallThreads, kCallQueueMax),
      watchers_("watchers", kWatchersMax) {}

Caller CoordinatorService::CallerOf(const grpc::CallbackServerContext& context) const {
  return ReadCaller(context, door_.IdentityOf(context));
}

Result<NewRelease> CoordinatorService::ReadSubmission(const pb::Submission& submission) const {
  NewRelease release;
  release.is_list = submission.channel().empty();
  release.channel = submission.channel();
  release.upstream_url = options_.upstream;
  if (release.is_list) {
    release.channel = submission.list_name().empty() ? "paths" : submission.list_name();
    if (!submission.from_dir().empty()) {
      if (!submission.from_dir().starts_with("/")) {
        return InvalidArgument("submit: the folder to import must be an absolute path");
      }
      release.upstream_url = "file://" + submission.from_dir();
    }
  }
  while (release.upstream_url.ends_with('/')) {
    release.upstream_url.pop_back();
  }
  if (!mirror::IsSafeName(release.channel)) {
    return InvalidArgument(
        fmt::format("submit: \"{}\" cannot be the name of a channel or list", release.channel));
  }
  HNX_ASSIGN_OR_RETURN(release.match, ReadPatterns(submission.match()));
  HNX_ASSIGN_OR_RETURN(release.exclude, ReadPatterns(submission.exclude()));
  release.plan_only = submission.plan_only();
  release.force = submission.force();
  release.max_missing =
      submission.max_missing() < 0 ? options_.max_missing : submission.max_missing();
  HNX_TRY(CheckPriority(submission.priority()));
  release.priority = submission.priority();
  return release;
}

grpc::ServerReadReactor<pb::SubmitRequest>* CoordinatorService::Submit(
    grpc::CallbackServerContext* context, pb::SubmitResponse* response) {
  return rpc::HandleClientStream<pb::SubmitRequest>(
      watchers_, context,
      [=, this,
       caller = CallerOf(*context)](rpc::MessageReader<pb::SubmitRequest>& in) -> Result<void> {
        const auto first = in.Read();
        if (!first || !first->has_submission()) {
          return InvalidArgument("submit: the first message must describe the submission");
        }
        HNX_ASSIGN_OR_RETURN(const NewRelease release, ReadSubmission(first->submission()));
        const bool has_end = first->submission().marks_end_of_list();
        auto submitted = release.is_list ? SubmitList(release, has_end, in, caller)
                                         : store_.Submit(release, caller);
        if (!submitted.has_value()) {
          return submitted.error();
        }
        response->set_release_id(static_cast<std::uint64_t>(submitted->release));
        response->set_existed(submitted->existed);
        return {};
      });
}

Result<Submitted> CoordinatorService::SubmitList(const NewRelease& release, bool has_end,
                                                 rpc::MessageReader<pb::SubmitRequest>& in,
                                                 const Caller& caller) {
  HNX_ASSIGN_OR_RETURN(ListSubmission list, ListSubmission::Begin(store_, release, caller));
  const auto read = [&]() -> Result<Submitted> {
    bool ended = false;
    while (const auto message = in.Read()) {
      if (!message->has_store_paths()) {
        return InvalidArgument("submit: only the first message describes the submission");
      }
      if (ended) {
        return InvalidArgument("submit: the list goes on after its end");
      }
      HNX_TRY(list.Feed(message->store_paths()));
      ended = message->end_of_list();
    }
    // Clients of 0.1.0 mark no end; that they have gone is mostly seen.
    if (has_end ? !ended : in.cancelled()) {
      return Error{ErrorCode::kCancelled,
                   "submit: the list ended in the middle, nothing was submitted; submit it again"};
    }
    return list.Finish();
  };
  Result<Submitted> outcome = read();
  if (!outcome.has_value()) {
    list.Abandon();
  }
  return outcome;
}

grpc::ServerUnaryReactor* CoordinatorService::GetRelease(grpc::CallbackServerContext* context,
                                                         const pb::GetReleaseRequest* request,
                                                         pb::Release* response) {
  return rpc::HandleUnary(calls_, context, [=, this]() -> Result<void> {
    HNX_ASSIGN_OR_RETURN(const ReleaseView view,
                         store_.Get(static_cast<ReleaseId>(request->release_id())));
    *response = ReleaseToProto(view);
    return {};
  });
}

grpc::ServerUnaryReactor* CoordinatorService::GetStatus(grpc::CallbackServerContext* context,
                                                        const pb::GetStatusRequest* /*request*/,
                                                        pb::Status* response) {
  return rpc::HandleUnary(calls_, context, [=, this]() -> Result<void> {
    HNX_ASSIGN_OR_RETURN(const StatusView view, store_.GetStatus());
    HNX_ASSIGN_OR_RETURN(const auto channels, stores_.channels.List());
    *response = StatusToProto(view);
    for (const ChannelView& channel : channels) {
      *response->add_channels() = ChannelToProto(channel);
    }
    return {};
  });
}

grpc::ServerWriteReactor<pb::Release>* CoordinatorService::WatchProgress(
    grpc::CallbackServerContext* context, const pb::GetReleaseRequest* request) {
  const auto release = static_cast<ReleaseId>(request->release_id());
  return rpc::HandleServerStream<pb::Release>(
      watchers_, context,
      [=, this](rpc::MessageWriter<pb::Release>& out) { return Watch(release, out); });
}

Result<void> CoordinatorService::Watch(ReleaseId release, rpc::MessageWriter<pb::Release>& out) {
  std::optional<ReleaseView> last;
  int troubles = 0;
  while (!stopping()) {
    const auto view = store_.Get(release);
    if (view.has_value()) {
      troubles = 0;
      release = view->id;  // "the newest" stays the one it was
      if (!last || *last != *view) {
        last = *view;
        const pb::Release message = ReleaseToProto(*view);
        HNX_TRY(out.Write(message));
        if (HasEnded(message)) {
          return {};
        }
      }
    } else if (!IsRetryable(view.error().code) || ++troubles > kWatchTroublesMax) {
      return view.error();  // a database that restarts is waited for
    }
    PauseWatching();
  }
  return Unavailable("the coordinator is stopping; watch again");
}

void CoordinatorService::StopWatching() {
  MutexLock lock(stop_mutex_);
  stopping_ = true;
  stop_changed_.NotifyAll();
}

bool CoordinatorService::stopping() const {
  MutexLock lock(stop_mutex_);
  return stopping_;
}

void CoordinatorService::PauseWatching() {
  const auto end = std::chrono::steady_clock::now() + kWatchInterval;
  MutexLock lock(stop_mutex_);
  while (!stopping_ && std::chrono::steady_clock::now() < end) {
    stop_changed_.WaitFor(stop_mutex_, end - std::chrono::steady_clock::now());
  }
}

grpc::ServerWriteReactor<pb::Failure>* CoordinatorService::ListFailures(
    grpc::CallbackServerContext* context, const pb::ListFailuresRequest* request) {
  const auto release = static_cast<ReleaseId>(request->release_id());
  return rpc::HandleServerStream<pb::Failure>(
      watchers_, context, [=, this](rpc::MessageWriter<pb::Failure>& out) {
        return store_.ListFailures(release, [&](const FailureView& failure) {
          const pb::Failure message = FailureToProto(failure);
          return out.Write(message);
        });
      });
}

grpc::ServerUnaryReactor* CoordinatorService::Why(grpc::CallbackServerContext* context,
                                                  const pb::WhyRequest* request,
                                                  pb::WhyResponse* response) {
  return rpc::HandleUnary(calls_, context, [=, this]() -> Result<void> {
    HNX_ASSIGN_OR_RETURN(const std::string hash, HashPartOf(request->store_path()));
    HNX_ASSIGN_OR_RETURN(const PathView view, store_.Why(hash));
    *response = PathToProto(view);
    return {};
  });
}

}  // namespace hnx::coordinator
