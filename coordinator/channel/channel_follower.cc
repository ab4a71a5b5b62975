#include "coordinator/channel/channel_follower.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/retry_policy.h"
#include "coordinator/channel/channel_redirect.h"

namespace hnx::coordinator {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kIdle{500};
constexpr milliseconds kDatabaseTrouble{2'000};
// The share of the interval by which polls are spread.
constexpr double kJitterShare = 0.1;
constexpr RetryPolicy kFailedPoll{.base = milliseconds(5'000), .cap = milliseconds(3'600'000)};
// Debounce is over a little later rather than a little earlier.
constexpr milliseconds kDebounceMargin{50};

}  // namespace

ChannelFollower::ChannelFollower(http::HttpClient& client, FollowStore& store,
                                 const ChannelRules& rules)
    : LoopService("follower"),
      client_(client),
      store_(store),
      rules_(rules),
      random_(std::random_device{}()) {}

ChannelFollower::~ChannelFollower() {
  Stop();
}

milliseconds ChannelFollower::RunOnce() {
  const auto channel = store_.NextChannelToPoll();
  if (!channel) {
    Log("follow")->warn("{}", channel.error().message);
    return kDatabaseTrouble;
  }
  if (!*channel) {
    return kIdle;
  }
  const Result<void> polled = Poll(**channel);
  if (!polled && polled.error().code != ErrorCode::kAborted) {
    Log("follow")->warn("{}", polled.error().message);
  }
  return polled ? milliseconds(0) : kDatabaseTrouble;
}

milliseconds ChannelFollower::WithJitter(milliseconds interval) {
  std::uniform_real_distribution<double> jitter(1 - kJitterShare, 1 + kJitterShare);
  return milliseconds(
      static_cast<std::int64_t>(static_cast<double>(interval.count()) * jitter(random_)));
}

Result<ChannelSight> ChannelFollower::Look(const ChannelToPoll& channel) {
  // Without a place that it pointed to before, "nothing has changed" would say nothing.
  const std::string etag = channel.seen_url.empty() ? "" : channel.etag;
  HNX_ASSIGN_OR_RETURN(ChannelRedirect redirect,
                       ReadChannelRedirect(client_, rules_, channel.name, etag));
  ChannelSight sight{.url = {}, .name = {}, .etag = std::move(redirect.etag)};
  if (redirect.location) {
    sight.url = redirect.location->url;
    sight.name = redirect.location->name;
  }
  return sight;
}

Result<void> ChannelFollower::Poll(const ChannelToPoll& channel) {
  const auto sight = Look(channel);
  if (!sight) {
    Log("follow")->warn("poll {}: {}", channel.name, sight.error().message);
    HNX_TRY(store_.Failed(channel.name, sight.error().message));
    return store_.PollAgainIn(
        channel.name,
        std::max(kFailedPoll.Delay(channel.failures + 1, random_), WithJitter(channel.interval)));
  }
  HNX_ASSIGN_OR_RETURN(const auto sooner, store_.Saw(channel.name, *sight));
  milliseconds next = WithJitter(channel.interval);
  if (sooner) {
    next = std::min(next, std::max(*sooner, milliseconds(0)) + kDebounceMargin);
  }
  return store_.PollAgainIn(channel.name, next);
}

}  // namespace hnx::coordinator
