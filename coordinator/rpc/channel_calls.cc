// The calls of CoordinatorService about channels, and about what leaves the mirror.
#include <algorithm>
#include <chrono>
#include <optional>

#include <fmt/format.h>

#include "coordinator/rpc/caller.h"
#include "coordinator/rpc/channel_to_proto.h"
#include "coordinator/rpc/coordinator_service.h"
#include "mirror/index_layout.h"

namespace hnx::coordinator {
namespace {

namespace pb = hypercore_nixos::v1;
using std::chrono::milliseconds;

constexpr std::uint64_t kIntervalMsMin = 100;
constexpr std::uint64_t kIntervalMsMax = 30ULL * 86'400'000;
constexpr int kKeepMax = 1'000'000;
// Nothing has changed for so long: whoever has to do it is away.
constexpr std::chrono::seconds kStandstillMax{60};

Result<void> CheckChannelName(const std::string& channel) {
  return mirror::IsSafeName(channel) ? Result<void>()
                                     : Result<void>(InvalidArgument(fmt::format(
                                           "\"{}\" cannot be the name of a channel", channel)));
}

Result<void> CheckKeep(int keep_releases, int keep_days) {
  return keep_releases <= kKeepMax && keep_days <= kKeepMax
             ? Result<void>()
             : Result<void>(InvalidArgument(fmt::format(
                   "more than {} releases or days cannot be kept; 0 keeps all", kKeepMax)));
}

Result<FollowSettings> ReadSettings(const pb::FollowChannelsRequest& request) {
  FollowSettings settings;
  HNX_ASSIGN_OR_RETURN(settings.match, ReadPatterns(request.match()));
  HNX_ASSIGN_OR_RETURN(settings.exclude, ReadPatterns(request.exclude()));
  settings.max_missing = request.max_missing();
  settings.priority = request.priority();
  if (request.interval_ms() < kIntervalMsMin || request.interval_ms() > kIntervalMsMax ||
      request.debounce_ms() > kIntervalMsMax) {
    return InvalidArgument("a channel is polled between every 100 ms and every 30 days");
  }
  settings.interval = milliseconds(request.interval_ms());
  settings.debounce = milliseconds(request.debounce_ms());
  HNX_TRY(CheckKeep(request.keep_releases(), request.keep_days()));
  settings.keep_releases = request.keep_releases();
  settings.keep_days = request.keep_days();
  return settings;
}

}  // namespace

grpc::ServerUnaryReactor* CoordinatorService::FollowChannels(
    grpc::CallbackServerContext* context, const pb::FollowChannelsRequest* request,
    pb::ChannelList* response) {
  return rpc::HandleUnary(calls_, context, [=, this]() -> Result<void> {
    HNX_ASSIGN_OR_RETURN(FollowSettings settings, ReadSettings(*request));
    for (const std::string& channel : request->channels()) {
      HNX_TRY(CheckChannelName(channel));
    }
    for (const std::string& channel : request->channels()) {
      settings.channel = channel;
      HNX_ASSIGN_OR_RETURN(const ChannelView view,
                           stores_.channels.Follow(settings, CallerOf(*context)));
      *response->add_channels() = ChannelToProto(view);
    }
    return {};
  });
}

grpc::ServerUnaryReactor* CoordinatorService::UnfollowChannels(
    grpc::CallbackServerContext* context, const pb::UnfollowChannelsRequest* request,
    pb::ChannelList* response) {
  return rpc::HandleUnary(calls_, context, [=, this]() -> Result<void> {
    for (const std::string& channel : request->channels()) {
      HNX_ASSIGN_OR_RETURN(const ChannelView view,
                           stores_.channels.Unfollow(channel, CallerOf(*context)));
      *response->add_channels() = ChannelToProto(view);
    }
    return {};
  });
}

grpc::ServerUnaryReactor* CoordinatorService::SetRetention(grpc::CallbackServerContext* context,
                                                           const pb::SetRetentionRequest* request,
                                                           pb::ChannelList* response) {
  return rpc::HandleUnary(calls_, context, [=, this]() -> Result<void> {
    HNX_TRY(CheckChannelName(request->channel()));
    HNX_TRY(CheckKeep(request->keep_releases(), request->keep_days()));
    HNX_ASSIGN_OR_RETURN(const ChannelView view,
                         stores_.channels.SetRetention(request->channel(), request->keep_releases(),
                                                       request->keep_days(), CallerOf(*context)));
    *response->add_channels() = ChannelToProto(view);
    return {};
  });
}

grpc::ServerWriteReactor<pb::GarbageReport>* CoordinatorService::CollectGarbage(
    grpc::CallbackServerContext* context, const pb::CollectGarbageRequest* request) {
  return rpc::HandleServerStream<pb::GarbageReport>(
      watchers_, context,
      [this, dry_run = request->dry_run(),
       caller = CallerOf(*context)](rpc::MessageWriter<pb::GarbageReport>& out) -> Result<void> {
        if (!dry_run) {
          return WatchGarbage(out, caller);
        }
        HNX_ASSIGN_OR_RETURN(const pb::GarbageReport report, ForeseeGarbage());
        return out.Write(report);
      });
}

Result<void> CoordinatorService::WatchGarbage(rpc::MessageWriter<pb::GarbageReport>& out,
                                              const Caller& caller) {
  HNX_ASSIGN_OR_RETURN(const GarbageView before, stores_.retirement.Look(false));
  HNX_TRY(stores_.retirement.RequestRun(caller));
  std::optional<GarbageView> last;
  auto changed_at = std::chrono::steady_clock::now();
  while (!stopping()) {
    HNX_ASSIGN_OR_RETURN(GarbageView view, stores_.retirement.Look(false));
    view.reclaimed_nars -= std::min(view.reclaimed_nars, before.reclaimed_nars);
    view.reclaimed_bytes -= std::min(view.reclaimed_bytes, before.reclaimed_bytes);
    const auto now = std::chrono::steady_clock::now();
    if (!last || *last != view) {
      last = view;
      changed_at = now;
      const pb::GarbageReport report = GarbageToProto(view);
      HNX_TRY(out.Write(report));
    }
    if (view.Idle() || now - changed_at > kStandstillMax) {
      return {};
    }
    PauseWatching();
  }
  return Unavailable("the coordinator is stopping; ask again");
}

}  // namespace hnx::coordinator
