#include "worker/lost/lost_shards.h"

#include <system_error>
#include <utility>

#include <fmt/core.h>

#include "base/log.h"

namespace hnx::worker {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLostCacheBytesMax = std::size_t{1} << 20;

}  // namespace

LostShards::LostShards(fs::path folder, Open open, const Clock& clock)
    : folder_(std::move(folder)), open_(std::move(open)), clock_(clock) {
  std::error_code error;
  fs::remove_all(folder_, error);
  if (error) {
    Log("lost")->warn("empty {}: {}", folder_.string(), error.message());
  }
}

void LostShards::CloseOldest() {
  const hyper::DriveKey key = uses_.front();
  const auto at = shards_.find(key);
  const fs::path folder = at->second.drive->folder();
  const bool in_use = at->second.drive.use_count() > 1;
  shards_.erase(at);
  uses_.pop_front();
  if (in_use) {
    return;  // its folder goes at the next start
  }
  std::error_code error;
  fs::remove_all(folder, error);
}

Result<std::shared_ptr<hyper::RemoteDrive>> LostShards::DriveOf(const hyper::DriveKey& key) {
  MutexLock lock(mutex_);
  if (const auto at = shards_.find(key); at != shards_.end()) {
    if (clock_.Steady() < at->second.nobody_until) {
      return Unavailable("nobody had it a moment ago");
    }
    uses_.splice(uses_.end(), uses_, at->second.use);
    return at->second.drive;
  }
  if (shards_.size() >= kLostShardsMax) {
    CloseOldest();
  }
  hyper::RemoteDriveOptions options;
  options.folder = folder_ / key.id();
  options.announce = false;
  options.cache_bytes_max = kLostCacheBytesMax;
  HNX_ASSIGN_OR_RETURN(auto drive, open_(key, std::move(options)));
  const auto use = uses_.insert(uses_.end(), key);
  shards_.emplace(key, Shard{.drive = drive, .use = use});
  return drive;
}

void LostShards::NobodyHas(const hyper::DriveKey& key) {
  MutexLock lock(mutex_);
  if (const auto at = shards_.find(key); at != shards_.end()) {
    at->second.nobody_until = clock_.Steady() + kLookAgainAfter;
  }
}

Result<std::shared_ptr<hyper::RemoteDrive>> LostShards::Find(
    const LostPlace& place, const std::shared_ptr<hyper::Cancellation>& cancellation) {
  HNX_ASSIGN_OR_RETURN(auto drive, DriveOf(place.shard));
  hyper::ReadLimits limits = hyper::ReadLimits::Within(kFindLostMax);
  limits.cancellation = cancellation;
  if (const Result<void> head = drive->WaitForHead(limits); !head.has_value()) {
    if (head.error().code != ErrorCode::kCancelled) {
      NobodyHas(place.shard);
    }
    return head.error();
  }
  HNX_ASSIGN_OR_RETURN(const hyper::Availability there,
                       drive->WaitForAvailability(place.blob, limits));
  if (there != hyper::Availability::kAtPeers && there != hyper::Availability::kHeld) {
    return Unavailable("no peer has it");
  }
  return drive;
}

void LostShards::GiveBack(hyper::RemoteDrive& shard, const hyper::BlobId& blob) {
  // Best effort: the folder goes as a whole in the end.
  if (const Result<void> evicted = shard.Evict(blob); !evicted.has_value()) {
    Log("lost")->debug("shard {}: {}", shard.key().id(), evicted.error().message);
  }
}

}  // namespace hnx::worker
