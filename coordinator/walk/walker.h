// Walker: walks the releases that are due, one after another, the most urgent first.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <random>

#include "base/clock.h"
#include "base/service.h"
#include "coordinator/store/walk_store.h"
#include "coordinator/walk/narinfo_source.h"
#include "coordinator/walk/narinfo_verifier.h"
#include "coordinator/walk/release_walk.h"
#include "http/http_client.h"

namespace hnx::coordinator {

class Walker final : public LoopService {
 public:
  // `client` and `store` must outlive the walker.
  Walker(http::HttpClient& client, WalkStore& store, WalkPolicy policy, WalkOptions options,
         const Clock& clock = Clock::Real());
  ~Walker() override;

  // Walks one release until it is finished or must wait, or a more urgent one has come.
  std::chrono::milliseconds RunOnce() override;

  // Of the release that was walked last.
  WalkStatistics statistics() const;

  static constexpr std::chrono::milliseconds kIdleInterval{1'000};
  static constexpr std::chrono::milliseconds kUrgencyInterval{2'000};
  static constexpr std::chrono::milliseconds kWaitMax{5'000};

 private:
  // Keeps the walk of a release that only waits, with its knowledge of the upstream.
  struct Current;
  std::chrono::milliseconds Fail(const WalkRelease& release, const Error& error);

  http::HttpClient& client_;
  WalkStore& store_;
  const WalkOptions options_;
  const Clock& clock_;
  const std::shared_ptr<NarInfoVerifier> verifier_;
  std::unique_ptr<Current> current_;
  int failures_in_a_row_ = 0;
  std::mt19937_64 random_{std::random_device{}()};
  mutable Mutex mutex_;
  WalkStatistics statistics_ HNX_GUARDED_BY(mutex_);
};

}  // namespace hnx::coordinator
