// StreamPool: threads for the handlers of streams, each of which keeps one until it ends. When all
// are taken a newcomer gets the place of the stream that has waited longest for its client, who
// takes nothing or sends nothing: clients that stall do not keep others out, and wait for ever as
// long as nobody needs their places.
//
// Threads: any.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"
#include "rpc/thread_pool.h"

namespace hnx::rpc {

// One that has waited for less keeps its place.
inline constexpr std::chrono::milliseconds kStalledMin{10'000};

class StreamPool {
 public:
  StreamPool(const std::string& name, std::size_t streams_max,
             std::chrono::milliseconds stalled_min = kStalledMin);

  // A stream's, from TrySubmit on. Its end gives it to the next one.
  class Place {
   public:
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    Place(Place&&) = delete;
    Place& operator=(Place&&) = delete;

    // Around each wait for the client.
    void Waits();
    void GoesOn();

   private:
    friend class StreamPool;
    Place(StreamPool& pool, std::uint64_t id) : pool_(pool), id_(id) {}

    StreamPool& pool_;
    const std::uint64_t id_;
  };

  // `cut` ends what the stream waits for: called at most once, between Waits and GoesOn, on the
  // thread of a newcomer. False: all places are taken and no stream stalls; neither was taken.
  bool TrySubmit(std::function<void()> cut, std::function<void(std::unique_ptr<Place>)> work)
      HNX_EXCLUDES(mutex_);

 private:
  struct Stream {
    std::function<void()> cut;
    std::optional<Clock::SteadyTime> waits_since{};
    bool was_cut = false;
  };

  bool CutLongestStalled() HNX_REQUIRES(mutex_);

  const std::size_t streams_max_;
  const std::chrono::milliseconds stalled_min_;
  Mutex mutex_;
  std::uint64_t last_id_ HNX_GUARDED_BY(mutex_) = 0;
  std::map<std::uint64_t, Stream> streams_ HNX_GUARDED_BY(mutex_);  // those that wait to begin too
  std::size_t leaving_ HNX_GUARDED_BY(mutex_) = 0;  // of these, the ones that were cut
  ThreadPool threads_;                              // last: its destructor waits for works
};

}  // namespace hnx::rpc
