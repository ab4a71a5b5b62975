#include "rpc/stream_pool.h"

#include <utility>

#include "base/log.h"

namespace hnx::rpc {

StreamPool::StreamPool(const std::string& name, std::size_t streams_max,
                       std::chrono::milliseconds stalled_min)
    : streams_max_(streams_max),
      stalled_min_(stalled_min),
      threads_(name, streams_max, streams_max) {}

bool StreamPool::TrySubmit(std::function<void()> cut,
                           std::function<void(std::unique_ptr<Place>)> work) {
  std::unique_ptr<Place> place;
  {
    MutexLock lock(mutex_);
    if (streams_.size() - leaving_ >= streams_max_ && !CutLongestStalled()) {
      return false;
    }
    streams_.emplace(++last_id_, Stream{.cut = std::move(cut)});
    place.reset(new Place(*this, last_id_));
  }
  // std::function wants what it holds to be copyable.
  return threads_.TrySubmit(
      [work = std::move(work), held = std::make_shared<std::unique_ptr<Place>>(std::move(place))] {
        work(std::move(*held));
      });
}

bool StreamPool::CutLongestStalled() {
  const auto before = Clock::Real().Steady() - stalled_min_;
  Stream* longest = nullptr;
  for (auto& [id, stream] : streams_) {
    if (!stream.was_cut && stream.waits_since && *stream.waits_since <= before &&
        (longest == nullptr || *stream.waits_since < *longest->waits_since)) {
      longest = &stream;
    }
  }
  if (longest == nullptr) {
    return false;
  }
  longest->was_cut = true;
  ++leaving_;
  longest->cut();
  Log("rpc")->info("a stream whose client stalls has to make room for another one");
  return true;
}

StreamPool::Place::~Place() {
  MutexLock lock(pool_.mutex_);
  const auto stream = pool_.streams_.find(id_);
  if (stream->second.was_cut) {
    --pool_.leaving_;
  }
  pool_.streams_.erase(stream);
}

void StreamPool::Place::Waits() {
  MutexLock lock(pool_.mutex_);
  pool_.streams_.at(id_).waits_since = Clock::Real().Steady();
}

void StreamPool::Place::GoesOn() {
  MutexLock lock(pool_.mutex_);
  pool_.streams_.at(id_).waits_since.reset();
}

}  // namespace hnx::rpc
