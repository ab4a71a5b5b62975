#include "worker/shard/shard_set.h"

#include <algorithm>

namespace hnx::worker {

ShardSet::ShardSet(ShardEnvironment& environment, const std::vector<hyper::DriveKey>& existing,
                   std::size_t streams_max)
    : environment_(environment), streams_max_(streams_max) {
  MutexLock lock(mutex_);
  for (const hyper::DriveKey& key : existing) {
    writers_.push_back(std::make_unique<ShardWriter>(environment_, key));
  }
}

ShardWriter* ShardSet::Add() {
  writers_.push_back(std::make_unique<ShardWriter>(environment_, std::nullopt));
  return writers_.back().get();
}

ShardWriter* ShardSet::ForWhole() {
  MutexLock lock(mutex_);
  if (stopped_) {
    return nullptr;
  }
  if (for_whole_ == nullptr || !for_whole_->Accepts()) {
    const auto found = std::find_if(writers_.begin(), writers_.end(), [](const auto& writer) {
      return writer->Accepts() && !writer->reserved();
    });
    for_whole_ = found == writers_.end() ? Add() : found->get();
  }
  return for_whole_->HasRoom() ? for_whole_ : nullptr;
}

ShardWriter* ShardSet::ReserveForStream() {
  MutexLock lock(mutex_);
  std::size_t reserved = 0;
  for (const auto& writer : writers_) {
    reserved += writer->reserved() ? 1 : 0;
  }
  if (stopped_ || reserved >= streams_max_) {
    return nullptr;
  }
  for (const auto& writer : writers_) {
    if (writer.get() != for_whole_ && writer->Accepts() && writer->HasRoom() &&
        writer->TryReserve()) {
      return writer.get();
    }
  }
  // Those that wait for the coordinator or for their disk are not replaced by ever more drives.
  const auto usable = std::count_if(writers_.begin(), writers_.end(),
                                    [](const auto& writer) { return writer->Accepts(); });
  if (static_cast<std::size_t>(usable) > streams_max_) {
    return nullptr;
  }
  ShardWriter* added = Add();
  (void)added->TryReserve();
  return added;
}

void ShardSet::CommitSoon() {
  MutexLock lock(mutex_);
  for (const auto& writer : writers_) {
    writer->CommitSoon();
  }
}

std::vector<ShardWriter*> ShardSet::All() const {
  MutexLock lock(mutex_);
  std::vector<ShardWriter*> all;
  all.reserve(writers_.size());
  for (const auto& writer : writers_) {
    all.push_back(writer.get());
  }
  return all;
}

void ShardSet::Stop() {
  {
    MutexLock lock(mutex_);
    stopped_ = true;
  }
  for (ShardWriter* writer : All()) {
    writer->Stop();
  }
}

}  // namespace hnx::worker
