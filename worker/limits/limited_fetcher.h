// LimitedFetcher: a Fetcher that keeps to the coordinator's limits for each upstream host. Fetches
// beyond a limit wait their turn in order; transfers of a host whose bytes are used up are paused.
// Without a limit it only keeps the host's window (HostGate). Folders (file://) pass through.
//
// One thread of its own starts what waited and resumes what was paused; nobody else waits.
// Thread-safe. As many fetches wait as the pipeline has transfers at most.
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/service.h"
#include "worker/limits/host_gate.h"
#include "worker/pipeline/fetcher.h"

namespace hnx::worker {

class LimitedFetcher final : public Fetcher, private LoopService {
 public:
  // `inner` must outlive this; all transfers must have ended before it goes.
  LimitedFetcher(Fetcher& inner, std::size_t window_max, const Clock& clock = Clock::Real());
  ~LimitedFetcher() override;
  LimitedFetcher(const LimitedFetcher&) = delete;
  LimitedFetcher& operator=(const LimitedFetcher&) = delete;

  std::shared_ptr<Transfer> Start(const FetchRequest& request,
                                  std::shared_ptr<http::DownloadSink> sink) override
      HNX_EXCLUDES(mutex_);

  // What an answer to a request sent at `sent` allows; before its jobs begin.
  void Apply(const std::vector<HostLimit>& limits, Clock::SteadyTime sent) HNX_EXCLUDES(mutex_);
  // A host that the answer does not name has no limit; after what it takes away was dropped.
  void UnlimitOthers(const std::vector<HostLimit>& limits) HNX_EXCLUDES(mutex_);
  // Of the hosts that have a limit.
  std::vector<HostUse> Use() const HNX_EXCLUDES(mutex_);

  std::chrono::milliseconds RunOnce() override;

 private:
  using LoopService::Start;  // of its thread
  class LimitedTransfer;
  struct Host;

  Host& HostNamed(const std::string& name) HNX_REQUIRES(mutex_);

  Fetcher& inner_;
  const std::size_t window_max_;
  const Clock& clock_;
  mutable Mutex mutex_;
  // Those that were ever used; upstreams are few.
  std::map<std::string, std::unique_ptr<Host>> hosts_ HNX_GUARDED_BY(mutex_);
};

}  // namespace hnx::worker
