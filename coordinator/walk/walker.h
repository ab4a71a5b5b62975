// Walker: walks the releases that are due, one after another, the most urgent first.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "base/clock.h"
#include "base/service.h"
#include "coordinator/store/walk_store.h"
#include "coordinator/walk/narinfo_verifier.h"
#include "coordinator/walk/release_walk.h"
#include "coordinator/walk/walk_upstream.h"
#include "http/http_client.h"

namespace hnx::coordinator {

// Where a walker takes narinfos from.
struct WalkPolicies {
  std::vector<UpstreamPolicy> upstreams;  // in the order of preference
  WalkPolicy folders;                     // of releases that are imported from a folder
};

class Walker final : public LoopService {
 public:
  // `client` and `store` must outlive the walker.
  Walker(http::HttpClient& client, WalkStore& store, WalkPolicies policies, WalkOptions options,
         const Clock& clock = Clock::Real());
  ~Walker() override;

  // Walks one release until it is finished or must wait, or a more urgent one has come.
  std::chrono::milliseconds RunOnce() override;

  // Of the release that was walked last.
  WalkStatistics statistics() const;

  static constexpr std::chrono::milliseconds kIdleInterval{1'000};
  static constexpr std::chrono::milliseconds kUrgencyInterval{2'000};
  static constexpr std::chrono::milliseconds kWaitMax{5'000};
  // While only an upstream that is away may have what is left of a release.
  static constexpr std::chrono::milliseconds kOthersWaitMax{30'000};

 private:
  // Keeps the walk of a release that only waits.
  struct Current;
  std::unique_ptr<Current> Begin(const WalkRelease& release);
  std::chrono::milliseconds Fail(const WalkRelease& release, const Error& error);

  http::HttpClient& client_;
  WalkStore& store_;
  const WalkPolicies policies_;
  const WalkOptions options_;
  const Clock& clock_;
  // What is known of the upstreams outlives a release's walk.
  std::vector<std::unique_ptr<WalkUpstream>> upstreams_;
  const std::shared_ptr<NarInfoVerifier> verifier_;
  std::unique_ptr<Current> current_;
  int failures_in_a_row_ = 0;
  std::mt19937_64 random_{std::random_device{}()};
  mutable Mutex mutex_;
  WalkStatistics statistics_ HNX_GUARDED_BY(mutex_);
};

}  // namespace hnx::coordinator
