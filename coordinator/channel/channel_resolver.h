// ChannelResolver: takes releases from "a channel's name" to "roots in the frontier": pins the
// channel's redirect once, checks the release's files against its page and keeps them, reads
// store-paths.xz, and guards against lists that shrink and channels that go back.
//
// Resumable at every step: what a crash interrupted is done again from what the store holds. What
// is wrong with a release is tried kAttemptsMax times over some time, then the release is refused
// with the reason; what is passing (network, database) is tried for ever.
#pragma once

#include <chrono>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/retry_policy.h"
#include "base/service.h"
#include "coordinator/channel/release_fetcher.h"
#include "coordinator/store/walk_store.h"
#include "http/http_client.h"

namespace hnx::coordinator {

struct ChannelResolverOptions {
  ReleaseFetchOptions fetch;
  // Share of roots that a list may lose against the release before, unless forced.
  double shrink_max = 0.3;
  std::chrono::milliseconds idle_interval{1'000};
  RetryPolicy retry{.base = std::chrono::milliseconds(1'000),
                    .cap = std::chrono::milliseconds(120'000)};
};

class ChannelResolver final : public LoopService {
 public:
  static constexpr int kAttemptsMax = 3;
  static constexpr std::size_t kTrackedReleasesMax = 1000;

  // `client` and `store` must outlive the resolver.
  ChannelResolver(http::HttpClient& client, WalkStore& store, ChannelResolverOptions options);
  ~ChannelResolver() override;
  ChannelResolver(const ChannelResolver&) = delete;
  ChannelResolver& operator=(const ChannelResolver&) = delete;
  ChannelResolver(ChannelResolver&&) = delete;
  ChannelResolver& operator=(ChannelResolver&&) = delete;

  // Resolves one release, if there is one.
  std::chrono::milliseconds RunOnce() override;

 private:
  Result<void> Resolve(WalkRelease release);
  Result<void> Pin(WalkRelease& release, const ReleaseLocation& location,
                   const std::vector<WantedFile>& files);
  Result<void> FetchFiles(const WalkRelease& release, const std::vector<WantedFile>& files);
  Result<void> ReadRoots(const WalkRelease& release);
  Result<void> GuardAgainstDecline(const WalkRelease& release, const PreviousRelease& previous);
  // Defers or refuses. The time until the next round.
  std::chrono::milliseconds Settle(const WalkRelease& release, const Error& error);

  WalkStore& store_;
  const ChannelResolverOptions options_;
  ReleaseFetcher fetcher_;
  std::mt19937_64 random_;
  struct Attempts {
    int passing = 0;
    int wrong = 0;
  };
  std::map<ReleaseId, Attempts> attempts_;  // of releases that are being resolved
};

}  // namespace hnx::coordinator
