// LostNarFetcher: a Fetcher that asks peers for a NAR whose shard was lost before it asks upstream:
// an upstream deletes, so a lost volume is not just another download. What peers lack, stop sending
// or send wrongly is fetched like any other NAR.
//
// Thread-safe. All transfers must have ended before it goes.
#pragma once

#include <cstddef>
#include <memory>

#include "http/work_pool.h"
#include "worker/lost/lost_shards.h"
#include "worker/pipeline/fetcher.h"

namespace hnx::worker {

// Read from peers at once; each may wait for somebody to be found.
inline constexpr std::size_t kLostReadsMax = 4;
// Without a block from anybody for so long upstream is asked.
inline constexpr std::chrono::milliseconds kLostStallMax{10'000};

class LostNarFetcher final : public Fetcher {
 public:
  // `inner` must outlive it. `waiting_max`: transfers that the pipeline has at most.
  LostNarFetcher(Fetcher& inner, std::unique_ptr<LostShards> shards, std::size_t waiting_max);

  std::shared_ptr<Transfer> Start(const FetchRequest& request,
                                  std::shared_ptr<http::DownloadSink> sink) override;

 private:
  class PeerTransfer;

  Fetcher& inner_;
  const std::unique_ptr<LostShards> shards_;
  http::WorkPool pool_;  // last: what runs on it uses the others
};

}  // namespace hnx::worker
